//! Authorities and certificates for the tests of TLS, in files.

use std::path::{Path, PathBuf};

use config::TlsProtocol;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};

/// An authority whose files are in a folder of its own.
pub(super) struct Authority {
    folder: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(super) fn new(name: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec!["server.dc1.consul".to_owned()]).expect("a name");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let made = params.self_signed(&key).expect("a certificate");
        std::fs::write(folder.path().join("ca.pem"), made.pem()).expect("written");
        std::fs::write(folder.path().join("ca.key"), key.serialize_pem()).expect("written");
        Self { folder, issuer: Issuer::new(params, key) }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A certificate for a name, valid until the end of a year.
    pub(super) fn issue(&self, file: &str, name: &str, until: i32) {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(until, 12, 31);
        let made = params.signed_by(&key, &self.issuer).expect("a certificate");
        std::fs::write(self.path(&format!("{file}.pem")), made.pem()).expect("written");
        std::fs::write(self.path(&format!("{file}.key")), key.serialize_pem()).expect("written");
    }

    /// Settings that trust this authority, and show one of its certificates.
    pub(super) fn settings(&self, shown: Option<&str>) -> TlsProtocol {
        let path = |ending: &str| shown.map(|name| self.path(&format!("{name}.{ending}")));
        trusting(&self.path("ca.pem"), path("pem"), path("key"))
    }
}

pub(super) fn trusting(ca_file: &Path, cert_file: Option<PathBuf>, key_file: Option<PathBuf>) -> TlsProtocol {
    let handshake_timeout = std::time::Duration::from_secs(20);
    TlsProtocol { ca_file: Some(ca_file.to_owned()), cert_file, key_file, handshake_timeout, ..TlsProtocol::default() }
}
