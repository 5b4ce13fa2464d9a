//! Whom to trust: the checks of certificates, those of webpki with one addition.
//!
//! webpki refuses the certificate of an authority where that of a server or client is expected. Many small installations
//! have one self-signed certificate for both, and Go takes it; so it is taken here too when it is itself among the
//! authorities. Who has its key could sign any certificate anyway.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::TlsError;
use super::validity::validity;

/// Certificates of authorities.
#[derive(Clone, Debug)]
pub struct Authorities {
    roots: RootCertStore,
    certificates: Vec<CertificateDer<'static>>,
}

impl Default for Authorities {
    fn default() -> Self {
        RootCertStore::empty().into()
    }
}

impl From<RootCertStore> for Authorities {
    fn from(roots: RootCertStore) -> Self {
        Self { roots, certificates: Vec::new() }
    }
}

impl Authorities {
    /// Trusts one more.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn add(&mut self, certificate: CertificateDer<'static>) -> Result<(), Error> {
        self.roots.add(certificate.clone())?;
        self.certificates.push(certificate);
        Ok(())
    }

    /// Whether nobody is trusted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.roots.is_empty()
    }

    /// The certificates that were added.
    #[must_use]
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }

    /// The checks of clients' certificates; `optional` lets clients without one in.
    ///
    /// # Errors
    /// When there is no authority.
    pub fn of_clients(
        self,
        provider: Arc<CryptoProvider>,
        optional: bool,
    ) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(self.roots.clone()), provider);
        let builder = if optional { builder.allow_unauthenticated() } else { builder };
        let strict = builder.build().map_err(|error| TlsError::Refused(error.to_string()))?;
        Ok(Arc::new(ClientTrust { strict, authorities: self }))
    }

    /// Judges again what webpki refused: the certificate of an authority that shows itself is fine while it is valid.
    fn reconsider(&self, refused: Error, shown: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
        let is_authority = refused.to_string().contains("CaUsedAsEndEntity");
        if !is_authority {
            return Err(refused);
        }
        if !self.certificates.iter().any(|known| known == shown) {
            let text = "the certificate is that of an authority, and it is not itself in ca_file; give the agent a \
                        certificate of its own, made without CA:TRUE";
            return Err(Error::General(text.to_owned()));
        }
        let time = validity(shown).ok_or(Error::InvalidCertificate(CertificateError::BadEncoding))?;
        let now = now.as_secs().cast_signed();
        let wrong = match () {
            () if now < time.from => CertificateError::NotValidYet,
            () if now > time.until => CertificateError::Expired,
            () => return Ok(()),
        };
        Err(Error::InvalidCertificate(wrong))
    }
}

/// What a server's certificate is compared with, besides the authorities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// The name that the connection is for.
    OfHost,
    /// Nothing: whatever the authorities have signed is good.
    Any,
}

#[derive(Debug)]
enum Policy {
    Anyone,
    Authorities(Authorities, Names),
}

/// The checks of servers' certificates.
#[derive(Debug)]
pub struct ServerTrust {
    provider: Arc<CryptoProvider>,
    policy: Policy,
}

impl ServerTrust {
    /// Trusts whom the authorities have signed; nobody when there is none.
    #[must_use]
    pub fn new(provider: Arc<CryptoProvider>, authorities: Authorities, names: Names) -> Self {
        Self { provider, policy: Policy::Authorities(authorities, names) }
    }

    /// Takes every certificate, but still wants a proof that the other side has its key.
    #[must_use]
    pub fn any(provider: Arc<CryptoProvider>) -> Self {
        Self { provider, policy: Policy::Anyone }
    }
}

impl ServerCertVerifier for ServerTrust {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Policy::Authorities(authorities, names) = &self.policy else { return Ok(ServerCertVerified::assertion()) };
        if authorities.is_empty() {
            let text = "no certificate authorities are known on this system; name a ca_file or a ca_path";
            return Err(Error::General(text.to_owned()));
        }
        let parsed = ParsedCertificate::try_from(shown)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, &authorities.roots, chain, now, algorithms)
            .or_else(|refused| authorities.reconsider(refused, shown, now))?;
        match names {
            Names::OfHost => verify_server_name(&parsed, name)?,
            Names::Any => {}
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The checks of clients' certificates.
#[derive(Debug)]
struct ClientTrust {
    strict: Arc<dyn ClientCertVerifier>,
    authorities: Authorities,
}

impl ClientCertVerifier for ClientTrust {
    fn client_auth_mandatory(&self) -> bool {
        self.strict.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.strict.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        shown: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.strict.verify_client_cert(shown, chain, now).or_else(|refused| {
            self.authorities.reconsider(refused, shown, now).map(|()| ClientCertVerified::assertion())
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.strict.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.strict.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.strict.supported_verify_schemes()
    }
}
