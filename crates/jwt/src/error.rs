//! What can be wrong with a token or a key.

/// The texts are for who shows the token, and for who sets up the keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwtError {
    /// There is none.
    #[error("missing jwt")]
    Missing,
    /// It is not one.
    #[error("error parsing token: {0}")]
    Malformed(String),
    /// No key fits the signature.
    #[error("no known key successfully validated the token signature")]
    Signature,
    /// The signature fits, but the algorithm was not asked for.
    #[error("the token is signed with {0}, which JWTSupportedAlgs does not name")]
    Algorithm(&'static str),
    /// None of the times without which nothing expires.
    #[error("no issue time, notbefore, or expiration time encoded in token")]
    NoTimes,
    /// A claim says otherwise than it must.
    #[error("error validating claims: {0}")]
    Claims(String),
    /// A claim cannot be mapped.
    #[error("{0}")]
    Mapping(String),
    /// A public key cannot be used.
    #[error("{0}")]
    Key(String),
}

pub(crate) fn malformed(why: impl Into<String>) -> JwtError {
    JwtError::Malformed(why.into())
}
