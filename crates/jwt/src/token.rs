//! A token as it comes: three parts of which nothing is believed yet.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::algorithm::Algorithm;
use crate::error::{JwtError, malformed};
use crate::limits::TOKEN_BYTES_MAX;

/// A token that was read but not verified.
#[derive(Clone, Debug)]
pub struct Unverified {
    algorithm: Option<Algorithm>,
    key_name: Option<String>,
    claims: Value,
    signed: String,
    signature: Vec<u8>,
}

impl Unverified {
    /// Reads a compact token (`header.payload.signature`).
    ///
    /// # Errors
    /// When it is missing, too large, or none.
    pub fn parse(text: &str) -> Result<Self, JwtError> {
        if text.is_empty() {
            return Err(JwtError::Missing);
        }
        if text.len() > TOKEN_BYTES_MAX {
            return Err(malformed(format!("it is larger than {TOKEN_BYTES_MAX} bytes")));
        }
        let parts: Vec<&str> = text.split('.').collect();
        let [header, payload, signature] = parts.as_slice() else {
            return Err(malformed("compact JWS format must have three parts"));
        };
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|error| malformed(error.to_string()));
        let object = |part: &str| {
            let value: Value = serde_json::from_slice(&decode(part)?).map_err(|error| malformed(error.to_string()))?;
            if value.is_object() { Ok(value) } else { Err(malformed("its parts must be JSON objects")) }
        };
        let header = object(header)?;
        // What is critical must be understood, and no extension is.
        let is_understood = header.get("crit").is_none() && header.get("b64").is_none();
        let algorithm = header["alg"].as_str().and_then(Algorithm::parse).filter(|_| is_understood);
        Ok(Self {
            algorithm,
            key_name: header["kid"].as_str().map(str::to_owned),
            claims: object(payload)?,
            signed: text[..text.len() - signature.len() - 1].to_owned(),
            signature: decode(signature)?,
        })
    }

    /// By which algorithm it says to be signed; `None` for those that are not known here.
    #[must_use]
    pub fn algorithm(&self) -> Option<Algorithm> {
        self.algorithm
    }

    /// With which key it says to be signed.
    #[must_use]
    pub fn key_name(&self) -> Option<&str> {
        self.key_name.as_deref()
    }

    /// What its signature is of.
    #[must_use]
    pub fn signed_bytes(&self) -> &[u8] {
        self.signed.as_bytes()
    }

    /// Its signature.
    #[must_use]
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// What it claims, believed or not. `Keys::verify` gives the same when they are to be believed.
    #[must_use]
    pub fn claims(&self) -> &Value {
        &self.claims
    }
}
