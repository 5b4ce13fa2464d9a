//! Public keys, out of PEM texts and key sets.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::signature::{self, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm};
use serde_json::Value;

use crate::algorithm::Algorithm;
use crate::der::{self, Reader, without_zeros};
use crate::error::JwtError;
use crate::limits::{KEYS_MAX, RSA_BITS_MIN};
use crate::token::Unverified;

const RSA_ID: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
const EC_ID: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const P256_ID: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
const P384_ID: &[u8] = &[0x2b, 0x81, 4, 0, 0x22];
const ED25519_ID: &[u8] = &[0x2b, 0x65, 0x70];

/// One public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicKey {
    /// Modulus and exponent, without leading zeros.
    Rsa(Vec<u8>, Vec<u8>),
    /// An uncompressed point on P-256.
    P256(Vec<u8>),
    /// An uncompressed point on P-384.
    P384(Vec<u8>),
    /// Ed25519.
    Ed25519(Vec<u8>),
}

impl PublicKey {
    /// Whether it made a signature of a message by an algorithm. Algorithms of another kind of key never fit.
    #[must_use]
    pub fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        use Algorithm::{EdDsa, Es256, Es384, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
        let rsa = |parameters: &RsaParameters, n: &[u8], e: &[u8]| {
            RsaPublicKeyComponents { n, e }.verify(parameters, message, signature).is_ok()
        };
        let other = |algorithm: &'static dyn VerificationAlgorithm, key: &[u8]| {
            UnparsedPublicKey::new(algorithm, key).verify(message, signature).is_ok()
        };
        match (self, algorithm) {
            (Self::Rsa(n, e), Rs256) => rsa(&signature::RSA_PKCS1_2048_8192_SHA256, n, e),
            (Self::Rsa(n, e), Rs384) => rsa(&signature::RSA_PKCS1_2048_8192_SHA384, n, e),
            (Self::Rsa(n, e), Rs512) => rsa(&signature::RSA_PKCS1_2048_8192_SHA512, n, e),
            (Self::Rsa(n, e), Ps256) => rsa(&signature::RSA_PSS_2048_8192_SHA256, n, e),
            (Self::Rsa(n, e), Ps384) => rsa(&signature::RSA_PSS_2048_8192_SHA384, n, e),
            (Self::Rsa(n, e), Ps512) => rsa(&signature::RSA_PSS_2048_8192_SHA512, n, e),
            (Self::P256(key), Es256) => other(&signature::ECDSA_P256_SHA256_FIXED, key),
            (Self::P384(key), Es384) => other(&signature::ECDSA_P384_SHA384_FIXED, key),
            (Self::Ed25519(key), EdDsa) => other(&signature::ED25519, key),
            (Self::Rsa(..) | Self::P256(_) | Self::P384(_) | Self::Ed25519(_), _) => false,
        }
    }

    /// Out of a PEM text: a public key, or a certificate that has one.
    ///
    /// # Errors
    /// When it holds none that can be used.
    pub fn from_pem(text: &str) -> Result<Self, JwtError> {
        const NONE: &str = "data does not contain any valid RSA, ECDSA, or ED25519 public keys";
        let none = || JwtError::Key(NONE.to_owned());
        let (label, bytes) = pem(text).ok_or_else(none)?;
        let info = match label {
            "PUBLIC KEY" => Some(bytes.as_slice()),
            "CERTIFICATE" => info_of_certificate(&bytes),
            _ => None,
        };
        let key = info.and_then(key_of_info).ok_or_else(none)?;
        key.if_strong()
    }

    fn if_strong(self) -> Result<Self, JwtError> {
        match &self {
            Self::Rsa(n, _) if n.len() * 8 < RSA_BITS_MIN => Err(JwtError::Key(format!(
                "an RSA key of {} bits is too weak: it must have {RSA_BITS_MIN} or more",
                n.len() * 8
            ))),
            _ => Ok(self),
        }
    }

    /// Out of an entry of a key set; `None` for kinds that are not for signatures that we know.
    fn from_jwk(entry: &Value) -> Option<Self> {
        let text = |name: &str| entry[name].as_str().unwrap_or_default();
        let bytes = |name: &str| URL_SAFE_NO_PAD.decode(text(name)).ok();
        if !matches!(text("use"), "" | "sig") {
            return None;
        }
        let point = |size: usize| {
            let (x, y) = (bytes("x")?, bytes("y")?);
            (x.len() == size && y.len() == size).then(|| [&[4], &x[..], &y[..]].concat())
        };
        let key = match (text("kty"), text("crv")) {
            ("RSA", _) => Self::Rsa(without_zeros(&bytes("n")?).to_vec(), without_zeros(&bytes("e")?).to_vec()),
            ("EC", "P-256") => Self::P256(point(32)?),
            ("EC", "P-384") => Self::P384(point(48)?),
            ("OKP", "Ed25519") => Self::Ed25519(bytes("x").filter(|x| x.len() == 32)?),
            _ => return None,
        };
        key.if_strong().ok()
    }
}

/// The first block of a PEM text.
fn pem(text: &str) -> Option<(&str, Vec<u8>)> {
    let (_, rest) = text.split_once("-----BEGIN ")?;
    let (label, rest) = rest.split_once("-----")?;
    let (body, _) = rest.split_once("-----END ")?;
    let body: String = body.split_whitespace().collect();
    Some((label, STANDARD.decode(body).ok()?))
}

/// The public key of a certificate (RFC 5280): after version, serial number, algorithm, issuer, validity and subject.
fn info_of_certificate(bytes: &[u8]) -> Option<&[u8]> {
    const EXPLICIT_VERSION: u8 = 0xa0;
    let mut signed = Reader(Reader(Reader(bytes).take(der::SEQUENCE)?).take(der::SEQUENCE)?);
    let mut skip = 4;
    if signed.any()?.0 == EXPLICIT_VERSION {
        skip += 1;
    }
    for _ in 0..skip {
        signed.any()?;
    }
    let start = signed.0;
    let (tag, _) = signed.any()?;
    (tag == der::SEQUENCE).then(|| &start[..start.len() - signed.0.len()])
}

/// `SubjectPublicKeyInfo` (RFC 5280).
fn key_of_info(bytes: &[u8]) -> Option<PublicKey> {
    let mut info = Reader(Reader(bytes).take(der::SEQUENCE)?);
    let mut algorithm = Reader(info.take(der::SEQUENCE)?);
    let (unused, key) = info.take(der::BIT_STRING)?.split_first()?;
    if *unused != 0 {
        return None;
    }
    match algorithm.take(der::OBJECT_ID)? {
        RSA_ID => {
            let mut numbers = Reader(Reader(key).take(der::SEQUENCE)?);
            Some(PublicKey::Rsa(numbers.integer()?.to_vec(), numbers.integer()?.to_vec()))
        }
        EC_ID => match (algorithm.take(der::OBJECT_ID)?, key) {
            (P256_ID, [4, point @ ..]) if point.len() == 64 => Some(PublicKey::P256(key.to_vec())),
            (P384_ID, [4, point @ ..]) if point.len() == 96 => Some(PublicKey::P384(key.to_vec())),
            _ => None,
        },
        ED25519_ID => (key.len() == 32).then(|| PublicKey::Ed25519(key.to_vec())),
        _ => None,
    }
}

/// The keys of an issuer, some with a name that tokens tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys(Vec<(Option<String>, PublicKey)>);

impl Keys {
    /// Keys without names, for whoever signs with one of them.
    #[must_use]
    pub fn unnamed(keys: Vec<PublicKey>) -> Self {
        Self(keys.into_iter().map(|key| (None, key)).collect())
    }

    /// A key set as issuers publish it (RFC 7517). Entries of other kinds are passed over.
    ///
    /// # Errors
    /// When it is no key set, has too many keys, or none that can be used.
    pub fn from_jwks(bytes: &[u8]) -> Result<Self, JwtError> {
        let wrong = |why: String| JwtError::Key(format!("the key set cannot be used: {why}"));
        let set: Value = serde_json::from_slice(bytes).map_err(|error| wrong(error.to_string()))?;
        let entries = set["keys"].as_array().ok_or_else(|| wrong("it has no list \"keys\"".to_owned()))?;
        if entries.len() > KEYS_MAX {
            return Err(wrong(format!("it has more than {KEYS_MAX} keys")));
        }
        let named =
            |entry: &Value| PublicKey::from_jwk(entry).map(|key| (entry["kid"].as_str().map(str::to_owned), key));
        let keys: Vec<_> = entries.iter().filter_map(named).collect();
        if keys.is_empty() {
            return Err(wrong("it has no key for a signature that is known here".to_owned()));
        }
        Ok(Self(keys))
    }

    /// The claims of a token that one of the keys has signed. A token that names its key is tried with that one and with
    /// those without a name.
    ///
    /// # Errors
    /// [`JwtError::Signature`] when none fits; [`JwtError::Algorithm`] when the algorithm is none of those given (all
    /// are allowed when none is given).
    pub fn verify<'t>(&self, token: &'t Unverified, allowed: &[Algorithm]) -> Result<&'t Value, JwtError> {
        let algorithm = token.algorithm().ok_or(JwtError::Signature)?;
        let may_fit = |(name, _): &&(Option<String>, PublicKey)| match (name, token.key_name()) {
            (Some(name), Some(wanted)) => name == wanted,
            _ => true,
        };
        let mut candidates = self.0.iter().filter(may_fit);
        if !candidates.any(|(_, key)| key.verifies(algorithm, token.signed_bytes(), token.signature())) {
            return Err(JwtError::Signature);
        }
        if !allowed.is_empty() && !allowed.contains(&algorithm) {
            return Err(JwtError::Algorithm(algorithm.as_str()));
        }
        Ok(token.claims())
    }
}
