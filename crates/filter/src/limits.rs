//! Bounds that keep a hostile expression from costing more than it should.

/// Longest expression, in bytes.
pub const TEXT_BYTES_MAX: usize = 64 * 1024;

/// Deepest nesting of parentheses and `not`.
pub const DEPTH_MAX: usize = 32;

/// Most regular expressions in one expression.
pub const REGEX_COUNT_MAX: usize = 32;

/// Largest compiled regular expression, in bytes.
pub const REGEX_BYTES_MAX: usize = 1024 * 1024;
