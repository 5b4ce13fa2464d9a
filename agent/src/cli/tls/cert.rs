//! `consul tls cert create`.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use client::os_error_text;
use rcgen::{DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;

use super::files::{dated, key_pem, new_key, pem, save_certificate, save_key};
use crate::cli::flags::{Flag, Parsed, Takes};
use crate::cli::frame::{Command, Failure, Outcome, Report, Run, Shared};

/// Days that a certificate lives.
const DAYS_DEFAULT: u64 = 365;

/// Consul's warning before a server's certificate.
const WARNING: &str = "==> WARNING: Server Certificates grants authority to become a
    server and access all state in the cluster including root keys
    and all ACL tokens. Do not distribute them to production hosts
    that are not server nodes. Store them as securely as CA keys.";

/// The row.
pub const CREATE: Command = Command {
    name: "tls cert create",
    synopsis: "Create a new certificate",
    usage: "[options]",
    about: "Makes a certificate of an authority that `consul tls ca create` made, and its key: DC-server-DOMAIN-0.pem and\n\
            DC-server-DOMAIN-0-key.pem with -server. The number is the first that is free.",
    flags: &[
        Flag::new("additional-dnsname", Takes::Text("value"), "Another DNS name that it is for. May be repeated."),
        Flag::new("additional-ipaddress", Takes::Text("value"), "Another address that it is for. May be repeated."),
        Flag::new("ca", Takes::Text("string"), "Certificate of the authority; DOMAIN-agent-ca.pem by default."),
        Flag::new("cli", Takes::Bool, "Make one for the command line."),
        Flag::new("client", Takes::Bool, "Make one for a client agent."),
        Flag::new("days", Takes::Uint, "Days that it is valid; 365 by default."),
        Flag::new("dc", Takes::Text("string"), "Datacenter; dc1 by default."),
        Flag::new("domain", Takes::Text("string"), "DNS domain of the cluster; consul by default."),
        Flag::new("key", Takes::Text("string"), "Key of the authority; DOMAIN-agent-ca-key.pem by default."),
        Flag::new("node", Takes::Text("string"), "Name of the server's node; adds NODE.server.DC.DOMAIN."),
        Flag::new("server", Takes::Bool, "Make one for a server. Whoever has it can become a server."),
    ],
    shared: Shared::None,
    run: Run::Once(create),
};

/// Whom a certificate is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Server,
    Client,
    Cli,
}

impl Role {
    fn chosen(parsed: &Parsed) -> Result<Self, Failure> {
        let chosen = (parsed.is_set("server"), parsed.is_set("client"), parsed.is_set("cli"));
        let role = match chosen {
            (true, false, false) => Self::Server,
            (false, true, false) => Self::Client,
            (false, false, true) => Self::Cli,
            _ => return Err(Failure::new("Please provide either -server, -client, or -cli")),
        };
        if role != Self::Server && parsed.text("node").is_some() {
            return Err(Failure::new("-node requires -server"));
        }
        Ok(role)
    }

    fn word(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
            Self::Cli => "cli",
        }
    }

    /// In the order in which Consul writes them.
    fn usages(self) -> Vec<ExtendedKeyUsagePurpose> {
        match self {
            Self::Server => vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth],
            Self::Client => vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth],
            Self::Cli => Vec::new(),
        }
    }
}

fn create(parsed: &Parsed) -> Outcome {
    let role = Role::chosen(parsed)?;
    let (dc, domain) = (parsed.text("dc").unwrap_or("dc1"), parsed.text("domain").unwrap_or("consul"));
    let or = |flag: &str, ending: &str| {
        parsed.text(flag).map_or_else(|| format!("{domain}-agent-{ending}"), |path| path.replace("#DOMAIN#", domain))
    };
    let (ca_file, ca_key_file) = (or("ca", "ca.pem"), or("key", "ca-key.pem"));
    let issuer = issuer(&ca_file, &ca_key_file)?;
    let names = names(parsed, role, dc, domain)?;
    let failed = |error: rcgen::Error| Failure::new(format!("cannot make the certificate: {error}"));
    let key = new_key()?;
    let (mut params, _) = dated(parsed, DAYS_DEFAULT, &key)?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, format!("{}.{dc}.{domain}", role.word()));
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    params.extended_key_usages = role.usages();
    params.subject_alt_names = names;
    let certificate = params.signed_by(&key, &issuer).map_err(failed)?;
    let (cert_file, key_file) = free_names(&format!("{dc}-{}-{domain}", role.word()));
    save_certificate(&cert_file, &pem("CERTIFICATE", certificate.der()))?;
    save_key(&key_file, &key_pem(&key)?)?;
    let mut lines = Vec::new();
    if role == Role::Server {
        lines.push(WARNING.to_owned());
    }
    lines.push(format!("==> Using {ca_file} and {ca_key_file}"));
    lines.extend([format!("==> Saved {cert_file}"), format!("==> Saved {key_file}")]);
    Ok(Report::lines(lines))
}

/// DNS names in Consul's order, then addresses.
fn names(parsed: &Parsed, role: Role, dc: &str, domain: &str) -> Result<Vec<SanType>, Failure> {
    let mut names: Vec<String> = parsed.values("additional-dnsname").map(str::to_owned).collect();
    if let Some(node) = parsed.text("node") {
        names.push(format!("{node}.server.{dc}.{domain}"));
    }
    names.push(format!("{}.{dc}.{domain}", role.word()));
    names.push("localhost".to_owned());
    let mut all = Vec::new();
    for name in names {
        let text = name.clone().try_into().map_err(|_| Failure::new(format!("{name:?} cannot be a DNS name")))?;
        all.push(SanType::DnsName(text));
    }
    for text in parsed.values("additional-ipaddress") {
        let ip: IpAddr = text
            .parse()
            .map_err(|_| Failure::new(format!("{text:?} of -additional-ipaddress is no address such as 10.0.0.1")))?;
        all.push(SanType::IpAddress(ip));
    }
    if role != Role::Cli {
        all.push(SanType::IpAddress(Ipv4Addr::LOCALHOST.into()));
    }
    Ok(all)
}

/// The authority that signs. Its key may be in any form, SEC 1 as Consul writes it or PKCS #8.
fn issuer(ca_file: &str, key_file: &str) -> Result<Issuer<'static, KeyPair>, Failure> {
    let read = |what: &str, path: &str| {
        let text = std::fs::read_to_string(path);
        text.map_err(|error| Failure::new(format!("Error reading {what}: open {path}: {}", os_error_text(&error))))
    };
    let certificate = read("CA", ca_file)?;
    let key = read("CA key", key_file)?;
    let unusable = |path: &str, error: &dyn std::fmt::Display| Failure::new(format!("{path} cannot be used: {error}"));
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|error| unusable(key_file, &error))?;
    let key = KeyPair::try_from(&in_pkcs8(key)).map_err(|error| unusable(key_file, &error))?;
    Issuer::from_ca_cert_pem(&certificate, key).map_err(|error| unusable(ca_file, &error))
}

/// A P-256 key in SEC 1 gets the envelope of PKCS #8, which is all that the library reads; others stay as they are.
fn in_pkcs8(key: PrivateKeyDer<'static>) -> PrivateKeyDer<'static> {
    /// An algorithm identifier: EC public key on the curve P-256.
    const ALGORITHM: &[u8] = &[
        0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d,
        0x03, 0x01, 0x07,
    ];
    let PrivateKeyDer::Sec1(sec1) = &key else { return key };
    let der = sec1.secret_sec1_der();
    // The version has three bytes and the head of the inner envelope two, as long as a key is as short as those of P-256.
    let (Ok(inner), Ok(content)) = (u8::try_from(der.len()), u8::try_from(der.len() + ALGORITHM.len() + 5)) else {
        return key;
    };
    if inner >= 0x80 {
        return key;
    }
    let mut out = vec![0x30];
    if content >= 0x80 {
        out.push(0x81);
    }
    out.extend_from_slice(&[content, 0x02, 0x01, 0x00]);
    out.extend_from_slice(ALGORITHM);
    out.extend_from_slice(&[0x04, inner]);
    out.extend_from_slice(der);
    PrivateKeyDer::Pkcs8(out.into())
}

/// The first number of which there is neither a certificate nor a key.
fn free_names(prefix: &str) -> (String, String) {
    let names = |number: u64| (format!("{prefix}-{number}.pem"), format!("{prefix}-{number}-key.pem"));
    let is_free = |(cert, key): &(String, String)| !Path::new(cert).exists() && !Path::new(key).exists();
    (0..).map(names).find(is_free).unwrap_or_else(|| names(0))
}
