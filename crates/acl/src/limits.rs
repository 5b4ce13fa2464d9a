//! Every limit of access rules, in one place.

/// Longest text of a policy's rules, bytes. A value of the store may be half a megabyte, so this is no less.
pub const RULES_BYTES_MAX: usize = 512 * 1024;
