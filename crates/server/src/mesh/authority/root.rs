//! Roots: made or given, and signed by the one before.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use model::{CaRoot, MeshCa};
use rcgen::string::{Ia5String, PrintableString, TeletexString};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, DnValue, IsCa, Issuer, KeyIdMethod, KeyPair,
    KeyUsagePurpose, PublicKeyData, SanType, SerialNumber,
};
use ring::digest;
use x509_parser::asn1_rs::Tag;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;
use x509_parser::pem::Pem;

use super::settings::CaSettings;
use super::{BACKDATE, CaError, colons, domain_name, keys, rfc3339, seconds, set_validity};

/// How long a root is valid: ten years.
const VALIDITY: Duration = Duration::from_hours(10 * 365 * 24);

/// How long the certificate of a new root from the old one is valid.
const CROSS_VALIDITY: Duration = Duration::from_hours(7 * 24);

/// Adds a root to the authority, which signs from now on. If it shall be `crossed`, the one before signs it.
pub(super) fn add(ca: &mut MeshCa, settings: &CaSettings, crossed: bool, now: SystemTime) -> Result<(), CaError> {
    let key = match settings.private_key.as_str() {
        "" => keys::generate(settings.curve_bits)?,
        pem => keys::read(pem)?,
    };
    let mut root = match settings.root_cert.as_str() {
        "" => made(ca, &key, now)?,
        pem => given(&ca.cluster_id, &key, pem)?,
    };
    // Who was given an old root again signs with it, and shows it once.
    ca.roots.retain(|old| old.id != root.id);
    ca.rotated_out.remove(&root.id);
    if let Some(active) = ca.active_root().filter(|_| crossed && !ca.private_key.is_empty()) {
        let old = Issuer::from_ca_cert_pem(&active.root_cert, keys::read(&ca.private_key)?)?;
        ca.last_serial += 1;
        let crossing = cross(&old, &ca.cluster_id, &root, &key, ca.last_serial, now)?;
        root.intermediate_certs = Some(vec![crossing]);
    }
    for old in ca.roots.iter_mut().filter(|old| old.active) {
        old.active = false;
        ca.rotated_out.insert(old.id.clone(), seconds(now));
    }
    ca.roots.insert(0, root);
    ca.private_key = key.serialize_pem();
    Ok(())
}

/// A new root for a key.
fn made(ca: &mut MeshCa, key: &KeyPair, now: SystemTime) -> Result<CaRoot, CaError> {
    ca.last_serial += 1;
    let serial = ca.last_serial;
    let id = keys::id(key);
    let short: String = id.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, format!("pri-{short}.consul.ca.{}", domain_name(&ca.cluster_id)));
    let mut params = authority_params(&ca.cluster_id, name, id)?;
    params.serial_number = Some(SerialNumber::from(serial));
    set_validity(&mut params, now, now + VALIDITY);
    let certificate = params.self_signed(key)?;
    let validity = (rfc3339(now), rfc3339(now + VALIDITY));
    Ok(shown(&ca.cluster_id, key, (certificate.der(), certificate.pem()), serial, validity))
}

/// A root that was given, with its key.
fn given(cluster_id: &str, key: &KeyPair, pem: &str) -> Result<CaRoot, CaError> {
    let wrong = |text: &str| CaError::Settings(format!("error parsing root fingerprint: {text}"));
    let block = certificate_block(pem).ok_or_else(|| wrong("no PEM-encoded data found"))?;
    let parsed = block.parse_x509().map_err(|error| wrong(&format!("it is no certificate: {error}")))?;
    if !parsed.is_ca() {
        return Err(wrong("the RootCert is not the certificate of an authority (CA:TRUE)"));
    }
    if parsed.public_key().raw != key.subject_public_key_info() {
        return Err(wrong("the RootCert is of another key than the PrivateKey"));
    }
    if parsed.subject().iter().any(|part| part.iter().next().is_none()) || key_id(&parsed).is_none() {
        return Err(wrong("the RootCert must have a subject and a subject key identifier"));
    }
    let bytes = parsed.serial.to_bytes_be();
    let serial = bytes.iter().rev().take(8).rev().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let time = |at: x509_parser::time::ASN1Time| {
        rfc3339(UNIX_EPOCH + Duration::from_secs(u64::try_from(at.timestamp()).unwrap_or_default()))
    };
    let validity = (time(parsed.validity().not_before), time(parsed.validity().not_after));
    let mut root = shown(cluster_id, key, (&block.contents, pem.trim().to_owned() + "\n"), serial, validity);
    root.signing_key_id = key_id(&parsed).map(colons).unwrap_or_default();
    Ok(root)
}

fn certificate_block(pem: &str) -> Option<Pem> {
    Pem::iter_from_buffer(pem.as_bytes()).filter_map(Result::ok).find(|block| block.label == "CERTIFICATE")
}

fn key_id<'a>(certificate: &'a X509Certificate<'_>) -> Option<&'a [u8]> {
    certificate.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0),
        _ => None,
    })
}

/// A root as the state keeps and shows it.
fn shown(
    cluster_id: &str,
    key: &KeyPair,
    (der, pem): (&[u8], String),
    serial_number: u64,
    (not_before, not_after): (String, String),
) -> CaRoot {
    let fingerprint = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, der);
    let (private_key_type, private_key_bits) = keys::kind(key);
    CaRoot {
        id: colons(fingerprint.as_ref()),
        name: "Consul CA Root Cert".to_owned(),
        serial_number,
        signing_key_id: colons(&keys::id(key)),
        external_trust_domain: cluster_id.to_owned(),
        not_before,
        not_after,
        root_cert: pem,
        active: true,
        private_key_type: private_key_type.to_owned(),
        private_key_bits,
        ..CaRoot::default()
    }
}

/// The certificate of a new root from the one before, PEM.
fn cross(
    old: &Issuer<'_, KeyPair>,
    cluster_id: &str,
    root: &CaRoot,
    key: &KeyPair,
    serial: u64,
    now: SystemTime,
) -> Result<String, CaError> {
    let unreadable = || CaError::Settings("the new root cannot be read".to_owned());
    let block = certificate_block(&root.root_cert).ok_or_else(unreadable)?;
    let parsed = block.parse_x509().map_err(|_| unreadable())?;
    let id = key_id(&parsed).ok_or_else(unreadable)?.to_vec();
    let mut params = authority_params(cluster_id, subject(&parsed)?, id)?;
    params.serial_number = Some(SerialNumber::from(serial));
    set_validity(&mut params, now - BACKDATE, now + CROSS_VALIDITY);
    Ok(params.signed_by(key, old)?.pem())
}

/// The subject of a certificate in the very encoding that it has, as names are compared byte by byte.
fn subject(certificate: &X509Certificate<'_>) -> Result<DistinguishedName, CaError> {
    let wrong = || CaError::Settings("the subject of the RootCert has a form that is not supported".to_owned());
    let mut name = DistinguishedName::new();
    for part in certificate.subject().iter() {
        let [attribute] = part.iter().collect::<Vec<_>>()[..] else { return Err(wrong()) };
        let kind: Vec<u64> = attribute.attr_type().iter().ok_or_else(wrong)?.collect();
        let text = attribute.as_str().map_err(|_| wrong())?;
        let value = match attribute.attr_value().header.tag() {
            Tag::PrintableString => DnValue::PrintableString(PrintableString::try_from(text)?),
            Tag::Utf8String => DnValue::Utf8String(text.to_owned()),
            Tag::Ia5String => DnValue::Ia5String(Ia5String::try_from(text)?),
            Tag::TeletexString => DnValue::TeletexString(TeletexString::try_from(text)?),
            _ => return Err(wrong()),
        };
        name.push(DnType::from_oid(&kind), value);
    }
    Ok(name)
}

/// What the certificates of authorities of the mesh have in common.
fn authority_params(cluster_id: &str, name: DistinguishedName, id: Vec<u8>) -> Result<CertificateParams, CaError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = name;
    params.subject_alt_names = vec![SanType::URI(Ia5String::try_from(format!("spiffe://{cluster_id}.consul"))?)];
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    params.key_identifier_method = KeyIdMethod::PreSpecified(id);
    Ok(params)
}
