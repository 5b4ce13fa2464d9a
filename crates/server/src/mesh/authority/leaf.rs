//! Certificates of services and agents: the request that an agent makes, and what the authority makes of it.

use std::time::SystemTime;

use model::MeshCa;
use rcgen::string::Ia5String;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType, SerialNumber, SubjectPublicKeyInfo,
};
use serde::{Deserialize, Serialize};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::pem::Pem;
use x509_parser::prelude::FromDer;

use super::settings::CaSettings;
use super::{BACKDATE, CaError, Identity, colons, domain_name, keys, plain, rfc3339, set_validity};

/// Largest request to sign, bytes of PEM.
const REQUEST_BYTES_MAX: usize = 16 * 1024;

/// A signed certificate, in the shape of `/v1/agent/connect/ca/leaf`.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct IssuedCertificate {
    /// Serial number, pairs of digits with colons.
    pub serial_number: String,
    /// The certificate, and after a rotation that of the authority from the one before; PEM.
    #[serde(rename = "CertPEM")]
    pub cert_pem: String,
    /// The key, PEM. Only the agent that made it has it.
    #[serde(rename = "PrivateKeyPEM", skip_serializing_if = "String::is_empty")]
    pub private_key_pem: String,
    /// Name of the service.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub service: String,
    /// Identity of the service.
    #[serde(rename = "ServiceURI", skip_serializing_if = "String::is_empty")]
    pub service_uri: String,
    /// Node of the agent.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub agent: String,
    /// Identity of the agent.
    #[serde(rename = "AgentURI", skip_serializing_if = "String::is_empty")]
    pub agent_uri: String,
    /// From when it is valid, RFC 3339.
    pub valid_after: String,
    /// Until when it is valid, RFC 3339.
    pub valid_before: String,
    /// Index of the state with which it was signed.
    pub create_index: u64,
    /// The same, but never the same for two certificates that an agent shows one after the other.
    pub modify_index: u64,
}

/// A request to sign, read and found to be signed by the key that is in it.
pub struct SigningRequest {
    identity: Identity,
    key: SubjectPublicKeyInfo,
    /// Further names and addresses of an agent.
    names: Vec<SanType>,
}

/// What the authority is told about a signature.
#[derive(Clone, Copy, Debug)]
pub struct Signing<'a> {
    /// Datacenter of the authority.
    pub datacenter: &'a str,
    /// A random number that no other certificate has.
    pub serial: u64,
    /// Index of the state.
    pub index: u64,
    /// The time.
    pub now: SystemTime,
}

impl SigningRequest {
    /// Reads a request, PEM.
    ///
    /// # Errors
    /// When it is none, or not of a service or agent.
    pub fn read(pem: &str) -> Result<Self, CaError> {
        let wrong = |text: String| CaError::Request(text);
        if pem.len() > REQUEST_BYTES_MAX {
            return Err(wrong(format!("the CSR is longer than {REQUEST_BYTES_MAX} bytes")));
        }
        let block = Pem::iter_from_buffer(pem.as_bytes()).filter_map(Result::ok).next();
        let block = block.filter(|block| block.label.ends_with("CERTIFICATE REQUEST"));
        let block = block.ok_or_else(|| wrong("no PEM-encoded data found".to_owned()))?;
        let (_, request) = X509CertificationRequest::from_der(&block.contents)
            .map_err(|error| wrong(format!("the CSR cannot be read: {error}")))?;
        request.verify_signature().map_err(|_| wrong("the CSR is not signed by its own key".to_owned()))?;
        let key = SubjectPublicKeyInfo::from_der(request.certification_request_info.subject_pki.raw)?;
        let (mut uris, mut names) = (Vec::new(), Vec::new());
        for extension in request.requested_extensions().into_iter().flatten() {
            let ParsedExtension::SubjectAlternativeName(found) = extension else { continue };
            for name in &found.general_names {
                match name {
                    GeneralName::URI(uri) => uris.push(*uri),
                    GeneralName::DNSName(name) => names.push(SanType::DnsName(Ia5String::try_from(*name)?)),
                    GeneralName::IPAddress(bytes) => names.extend(address(bytes).map(SanType::IpAddress)),
                    _ => {}
                }
            }
        }
        let [uri] = uris[..] else {
            return Err(wrong(format!("CSR SAN contains an invalid number of URIs: {}", uris.len())));
        };
        Ok(Self { identity: Identity::parse(uri)?, key, names })
    }

    /// Who it is for.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Signs it.
    ///
    /// # Errors
    /// When it is not for this mesh and datacenter, or nothing can be signed.
    pub fn sign(&self, ca: &MeshCa, signing: &Signing<'_>) -> Result<IssuedCertificate, CaError> {
        let active = ca.active_root().filter(|_| !ca.private_key.is_empty()).ok_or(CaError::NoRoot)?;
        self.check_place(ca, signing.datacenter)?;
        let issuer = Issuer::from_ca_cert_pem(&active.root_cert, keys::read(&ca.private_key)?)?;
        let uri = self.identity.uri();
        let common_name = match &self.identity {
            Identity::Service { name, .. } => format!("{}.svc.default", plain(name)),
            Identity::Agent { name, .. } => format!("{}.agnt", plain(name)),
        };
        let mut params = params(&format!("{common_name}.{}", domain_name(&ca.cluster_id)), &uri)?;
        if let Identity::Agent { .. } = self.identity {
            self.check_names()?;
            params.subject_alt_names.extend(self.names.iter().cloned());
        }
        // A serial number is positive.
        let serial = signing.serial >> 1 | 1 << 62;
        params.serial_number = Some(SerialNumber::from(serial));
        let not_before = signing.now - BACKDATE;
        let not_after = not_before + CaSettings::read(&ca.config).unwrap_or_default().leaf_ttl;
        set_validity(&mut params, not_before, not_after);
        params.key_identifier_method = KeyIdMethod::PreSpecified(keys::id(&self.key));
        let certificate = params.signed_by(&self.key, &issuer)?;
        let chain = active.intermediate_certs.iter().flatten().cloned();
        let mut issued = IssuedCertificate {
            serial_number: colons(&serial.to_be_bytes()),
            cert_pem: std::iter::once(certificate.pem()).chain(chain).collect(),
            valid_after: rfc3339(not_before),
            valid_before: rfc3339(not_after),
            create_index: signing.index,
            modify_index: signing.index,
            ..IssuedCertificate::default()
        };
        match &self.identity {
            Identity::Service { name, .. } => (issued.service, issued.service_uri) = (name.clone(), uri),
            Identity::Agent { name, .. } => (issued.agent, issued.agent_uri) = (name.clone(), uri),
        }
        Ok(issued)
    }

    fn check_place(&self, ca: &MeshCa, datacenter: &str) -> Result<(), CaError> {
        let (trust_domain, theirs) = self.identity.place();
        let ours = ca.trust_domain().to_lowercase();
        if trust_domain != ours {
            let text = format!("SPIFFE ID in CSR from a different trust domain: {trust_domain}, we are {ours}");
            return Err(CaError::Request(text));
        }
        if theirs != datacenter {
            let text = format!("SPIFFE ID in CSR from a different datacenter: {theirs}, we are {datacenter}");
            return Err(CaError::Request(text));
        }
        Ok(())
    }

    /// An agent must not pass for a server, which its peers know by such a name.
    fn check_names(&self) -> Result<(), CaError> {
        let is_servers = |name: &SanType| match name {
            SanType::DnsName(name) => name.as_str().to_lowercase().starts_with("server."),
            _ => false,
        };
        if self.names.iter().any(is_servers) {
            return Err(CaError::Request("the CSR of an agent must not have the name of a server".to_owned()));
        }
        Ok(())
    }
}

fn address(bytes: &[u8]) -> Option<std::net::IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(Into::into);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(Into::into)).ok()
}

/// What certificates and requests of a name and URI have in common.
fn params(name: &str, uri: &str) -> Result<CertificateParams, CaError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.subject_alt_names = vec![SanType::URI(Ia5String::try_from(uri)?)];
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyEncipherment,
        KeyUsagePurpose::DataEncipherment,
        KeyUsagePurpose::KeyAgreement,
    ];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// A new key and the request to have it signed, both PEM. Agents give further names and addresses that they answer to.
///
/// # Errors
/// When the identity or a name cannot be written.
pub fn new_request(
    identity: &Identity,
    names: &[String],
    addresses: &[std::net::IpAddr],
) -> Result<(String, String), CaError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.subject_alt_names = vec![SanType::URI(Ia5String::try_from(identity.uri())?)];
    for name in names {
        params.subject_alt_names.push(SanType::DnsName(Ia5String::try_from(name.as_str())?));
    }
    params.subject_alt_names.extend(addresses.iter().copied().map(SanType::IpAddress));
    let request = params.serialize_request(&key)?.pem()?;
    Ok((keys::to_pem(&key), request))
}
