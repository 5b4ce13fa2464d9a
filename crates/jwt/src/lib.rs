//! Signed JSON web tokens (RFC 7515, 7517, 7519): read, verified with public keys, their claims checked and mapped.
//!
//! A key knows what kind it is, and a signature is only checked by an algorithm of that kind; there is none with a shared
//! secret and none without a signature. Pure: the time is an argument, and keys are fetched by somebody else.

mod algorithm;
mod claims;
mod der;
mod error;
mod keys;
mod limits;
mod mapping;
mod token;

pub use algorithm::Algorithm;
pub use claims::{Expectations, check_claims};
pub use error::JwtError;
pub use keys::{Keys, PublicKey};
pub use limits::{KEYS_MAX, LIST_MAX, TOKEN_BYTES_MAX};
pub use mapping::{Mapped, Mappings};
pub use token::Unverified;
