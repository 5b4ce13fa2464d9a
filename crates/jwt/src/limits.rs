//! How large things may be.

/// Largest token, bytes.
pub const TOKEN_BYTES_MAX: usize = 64 * 1024;
/// Most keys of one issuer.
pub const KEYS_MAX: usize = 256;
/// Most entries that are taken of a list in a claim.
pub const LIST_MAX: usize = 4096;
/// Shortest modulus of an RSA key, bits.
pub(crate) const RSA_BITS_MIN: usize = 2048;
