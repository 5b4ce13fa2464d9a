//! What both commands share: PEM files that are never overwritten, keys as Consul writes them, and lifetimes.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use client::os_error_text;
use rcgen::{CertificateParams, KeyIdMethod, KeyPair, PublicKeyData as _, SerialNumber};
use sha2::{Digest as _, Sha256};

use crate::cli::flags::Parsed;
use crate::cli::frame::Failure;

/// Longest life of a certificate: what comes after the year 9999 cannot be written.
const DAYS_MAX: u64 = 36_500;
/// Letters on a line of PEM.
const LINE: usize = 64;
/// Who may read a private key.
const KEY_MODE: u32 = 0o600;
/// Who may read a certificate.
const CERT_MODE: u32 = 0o644;

/// The beginning of an EC private key in PKCS #8 as `ring` makes it: version, then 32 bytes of key follow.
const EC_KEY_START: &[u8] = &[0x02, 0x01, 0x01, 0x04, 0x20];
/// Bytes of a P-256 private key.
const EC_KEY_SIZE: usize = 32;

/// A new P-256 key.
pub(super) fn new_key() -> Result<KeyPair, Failure> {
    KeyPair::generate().map_err(|error| Failure::new(format!("cannot make a key: {error}")))
}

/// Life, serial number and key id, as Consul chooses them.
pub(super) fn dated(parsed: &Parsed, days_default: u64, key: &KeyPair) -> Result<(CertificateParams, u128), Failure> {
    let days = parsed.uint("days").unwrap_or(days_default);
    if days == 0 || days > DAYS_MAX {
        return Err(Failure::new(format!("-days must be from 1 to {DAYS_MAX}, not {days}")));
    }
    let now = SystemTime::now();
    // The first bit is 0, so that nobody takes it for a negative number.
    let serial = rand::random::<u128>() >> 1;
    let mut params = CertificateParams::default();
    params.not_before = now.into();
    params.not_after = (now + Duration::from_secs(days * 24 * 60 * 60)).into();
    params.serial_number = Some(SerialNumber::from_slice(&serial.to_be_bytes()));
    params.use_authority_key_identifier_extension = true;
    params.key_identifier_method = KeyIdMethod::PreSpecified(Sha256::digest(key.subject_public_key_info()).to_vec());
    Ok((params, serial))
}

/// The key in the form that Consul writes and every TLS program reads: SEC 1.
pub(super) fn key_pem(key: &KeyPair) -> Result<String, Failure> {
    let pkcs8 = key.serialized_der();
    let at = pkcs8.windows(EC_KEY_START.len()).position(|window| window == EC_KEY_START);
    let secret = at.and_then(|at| pkcs8.get(at + EC_KEY_START.len()..)?.get(..EC_KEY_SIZE));
    let secret = secret.ok_or_else(|| Failure::new("the new key has an unknown form"))?;
    let mut der = vec![0x30, 0x77, 0x02, 0x01, 0x01, 0x04, 0x20];
    der.extend_from_slice(secret);
    // The curve P-256, by its object identifier, then the public key as a bit string.
    der.extend_from_slice(&[0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07]);
    der.extend_from_slice(&[0xa1, 0x44, 0x03, 0x42, 0x00]);
    der.extend_from_slice(key.der_bytes());
    Ok(pem("EC PRIVATE KEY", &der))
}

/// Bytes as PEM.
pub(super) fn pem(label: &str, der: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let mut pem = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(LINE) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem.push_str(&format!("-----END {label}-----\n"));
    pem
}

/// Writes a certificate into a file that must be new.
pub(super) fn save_certificate(name: &str, pem: &str) -> Result<(), Failure> {
    save(name, pem, CERT_MODE)
}

/// Writes a private key into a file that must be new; only its owner may read it.
pub(super) fn save_key(name: &str, pem: &str) -> Result<(), Failure> {
    save(name, pem, KEY_MODE)
}

fn save(name: &str, pem: &str, mode: u32) -> Result<(), Failure> {
    let opened = File::options().write(true).create_new(true).mode(mode).open(name);
    let written = opened.and_then(|mut file| file.write_all(pem.as_bytes()));
    written.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => exists(name),
        _ => Failure::new(format!("open {name}: {}", os_error_text(&error))),
    })
}

/// Nothing is written over a file.
pub(super) fn refuse_existing(name: &str) -> Result<(), Failure> {
    if Path::new(name).exists() { Err(exists(name)) } else { Ok(()) }
}

fn exists(name: &str) -> Failure {
    Failure::new(format!("{name} already exists."))
}
