//! Private keys in the forms in which they are given (PKCS #8, and SEC 1 as `openssl ecparam -genkey` writes it), and in
//! which clients expect them (SEC 1).

use rcgen::{
    KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_RSA_SHA256, PublicKeyData, SignatureAlgorithm,
};
use ring::digest;

use super::CaError;

const SEQUENCE: u8 = 0x30;
const OCTETS: u8 = 0x04;
const BITS: u8 = 0x03;
const EC_PUBLIC_KEY: &[u8] = &[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22];
const RSA: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
const ZERO: &[u8] = &[0x02, 0x01, 0x00];
const ONE: &[u8] = &[0x02, 0x01, 0x01];

/// A new key on a curve of this size.
pub(super) fn generate(curve_bits: Option<u32>) -> Result<KeyPair, CaError> {
    let algorithm: &'static SignatureAlgorithm = match curve_bits {
        Some(256) => &PKCS_ECDSA_P256_SHA256,
        Some(384) => &PKCS_ECDSA_P384_SHA384,
        _ => {
            let why = "keys are made of type 'ec' with 256 or 384 bits alone; give a PrivateKey to use another";
            return Err(CaError::Settings(format!("error configuring provider: {why}")));
        }
    };
    Ok(KeyPair::generate_for(algorithm)?)
}

/// Reads a private key.
pub(super) fn read(pem: &str) -> Result<KeyPair, CaError> {
    // The key itself does not belong into an error or a log.
    let wrong = |why: &str| {
        let place = "error generating CA root certificate: error generating CA";
        CaError::Settings(format!("{place}: error parsing private key: {why}"))
    };
    let block = x509_parser::pem::Pem::iter_from_buffer(pem.as_bytes())
        .filter_map(Result::ok)
        .find(|block| block.label.ends_with("PRIVATE KEY"))
        .ok_or_else(|| wrong("no PEM-encoded data found"))?;
    let der = block.contents;
    let candidates = match block.label.as_str() {
        "EC PRIVATE KEY" => [P256, P384].map(|curve| pkcs8(&[EC_PUBLIC_KEY, curve].concat(), &der)).to_vec(),
        "RSA PRIVATE KEY" => vec![pkcs8(RSA, &der)],
        "PRIVATE KEY" => vec![der],
        other => return Err(wrong(&format!("unknown PEM block type for signing key: {other}"))),
    };
    let found = candidates.iter().find_map(|der| KeyPair::try_from(der.as_slice()).ok());
    found.ok_or_else(|| wrong("it must be an RSA key, or an EC key on P-256 or P-384 that has its public part"))
}

/// A key of an algorithm in PKCS #8.
fn pkcs8(algorithm: &[u8], key: &[u8]) -> Vec<u8> {
    tagged(SEQUENCE, &[ZERO, &tagged(SEQUENCE, algorithm), &tagged(OCTETS, key)].concat())
}

/// An element of DER.
fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let significant: Vec<u8> = length.into_iter().skip_while(|byte| *byte == 0).collect();
    let mut element = vec![tag];
    match significant.as_slice() {
        [] => element.push(0),
        [short @ 0..0x80] => element.push(*short),
        long => {
            // At most eight bytes of length.
            element.push(0x80 | long.len() as u8);
            element.extend(long);
        }
    }
    element.extend(content);
    element
}

/// A key on P-256 as `EC PRIVATE KEY`, in PEM. Other keys stay in PKCS #8.
pub(super) fn to_pem(key: &KeyPair) -> String {
    // The private part follows the first header of 32 bytes after the algorithm.
    const PRIVATE: &[u8] = &[0x02, 0x01, 0x01, 0x04, 0x20];
    let der = key.serialized_der();
    let place = der.windows(PRIVATE.len()).position(|window| window == PRIVATE).map(|at| at + PRIVATE.len());
    let private = place.and_then(|at| der.get(at..at + 32)).filter(|_| key.is_compatible(&PKCS_ECDSA_P256_SHA256));
    let Some(private) = private else { return key.serialize_pem() };
    let public = tagged(BITS, &[&[0], key.public_key_raw()].concat());
    let body = [ONE, &tagged(OCTETS, private), &tagged(0xa0, P256), &tagged(0xa1, &public)].concat();
    let pem = pem::Pem::new("EC PRIVATE KEY", tagged(SEQUENCE, &body));
    pem::encode_config(&pem, pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF))
}

/// Kind and size of a key, as roots show them.
pub(super) fn kind(key: &KeyPair) -> (&'static str, u32) {
    if key.is_compatible(&PKCS_RSA_SHA256) {
        // The modulus is most of the public key; sizes are multiples of 1024 bits.
        let bits = key.public_key_raw().len() as u32 * 8;
        return ("rsa", bits - bits % 1024);
    }
    ("ec", if key.is_compatible(&PKCS_ECDSA_P384_SHA384) { 384 } else { 256 })
}

/// The identity of a key: the SHA-256 of its public part.
pub(super) fn id(key: &impl PublicKeyData) -> Vec<u8> {
    digest::digest(&digest::SHA256, &key.subject_public_key_info()).as_ref().to_vec()
}
