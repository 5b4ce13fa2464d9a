//! Authorities and certificates for the tests, in files.

use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType, date_time_ymd};

/// An authority and what it signed, in a folder that lives as long as this value.
pub struct Authority {
    folder: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// A new one: `ca.pem` and `ca.key`.
    ///
    /// # Panics
    /// When files cannot be written.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let made = params.self_signed(&key).expect("a certificate");
        std::fs::write(folder.path().join("ca.pem"), made.pem()).expect("written");
        std::fs::write(folder.path().join("ca.key"), key.serialize_pem()).expect("written");
        Self { folder, issuer: Issuer::new(params, key) }
    }

    /// A file of it, as text.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Signs `FILE.pem` with `FILE.key` for names and addresses, valid until the end of a year.
    ///
    /// # Panics
    /// When files cannot be written.
    pub fn issue(&self, file: &str, names: &[&str], until: i32) {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        for name in names {
            params.subject_alt_names.push(match name.parse() {
                Ok(ip) => SanType::IpAddress(ip),
                Err(_) => SanType::DnsName((*name).try_into().expect("a name")),
            });
        }
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(until, 12, 31);
        let made = params.signed_by(&key, &self.issuer).expect("a certificate");
        std::fs::write(self.path(&format!("{file}.pem")), made.pem()).expect("written");
        std::fs::write(self.path(&format!("{file}.key")), key.serialize_pem()).expect("written");
    }

    /// Configuration that trusts this authority and shows one of its certificates.
    #[must_use]
    pub fn config(&self, shown: &str) -> String {
        let path = |name: &str| self.path(name).display().to_string();
        let (ca, cert, key) = (path("ca.pem"), path(&format!("{shown}.pem")), path(&format!("{shown}.key")));
        format!("ca_file = {ca:?}\ncert_file = {cert:?}\nkey_file = {key:?}\n")
    }
}
