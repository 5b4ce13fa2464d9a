//! Settings of TLS: the flat keys, `tls.defaults`, and the blocks of the protocols that may differ from them.
//!
//! A protocol's block wins over `tls.defaults`, which wins over the flat keys. No file is opened here.

use std::path::PathBuf;
use std::time::Duration;

use crate::read::Reader;

/// TLS of the agent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// HTTPS.
    pub https: TlsProtocol,
    /// RPC with and between servers.
    pub internal_rpc: TlsProtocol,
    /// Whether the certificate of a server must be for `server.<datacenter>.<domain>`.
    pub verify_server_hostname: bool,
    /// Name that checks with this agent's TLS want to see instead of the host's; empty for the host's.
    pub server_name: String,
    /// Whether checks use the authorities and the certificate.
    pub for_checks: bool,
}

/// TLS of one protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsProtocol {
    /// Authorities.
    pub ca_file: Option<PathBuf>,
    /// Folder of authorities.
    pub ca_path: Option<PathBuf>,
    /// Certificate and chain.
    pub cert_file: Option<PathBuf>,
    /// Private key.
    pub key_file: Option<PathBuf>,
    /// Whether whoever connects needs a certificate of the authorities; for RPC also whether it must speak TLS at all.
    pub verify_incoming: bool,
    /// Whether nothing is sent without TLS.
    pub verify_outgoing: bool,
    /// Whether TLS 1.2 is refused.
    pub only_tls13: bool,
    /// Names of the TLS 1.2 suites to offer; empty for all.
    pub cipher_suites: Vec<String>,
    /// Time in which a handshake must be done.
    pub handshake_timeout: Duration,
}

impl TlsProtocol {
    /// Whether there are authorities to check others against.
    #[must_use]
    pub fn has_authorities(&self) -> bool {
        self.ca_file.is_some() || self.ca_path.is_some()
    }

    /// Whether there is a certificate to show.
    #[must_use]
    pub fn has_identity(&self) -> bool {
        self.cert_file.is_some() && self.key_file.is_some()
    }
}

/// The keys that a protocol, `tls.defaults` and the flat settings have in common.
struct Keys {
    ca_file: &'static str,
    ca_path: &'static str,
    cert_file: &'static str,
    key_file: &'static str,
    min_version: &'static str,
    cipher_suites: &'static str,
    verify_incoming: &'static str,
    verify_outgoing: &'static str,
}

macro_rules! keys {
    ($block:literal) => {
        Keys {
            ca_file: concat!("tls.", $block, ".ca_file"),
            ca_path: concat!("tls.", $block, ".ca_path"),
            cert_file: concat!("tls.", $block, ".cert_file"),
            key_file: concat!("tls.", $block, ".key_file"),
            min_version: concat!("tls.", $block, ".tls_min_version"),
            cipher_suites: concat!("tls.", $block, ".tls_cipher_suites"),
            verify_incoming: concat!("tls.", $block, ".verify_incoming"),
            verify_outgoing: concat!("tls.", $block, ".verify_outgoing"),
        }
    };
}

const FLAT: Keys = Keys {
    ca_file: "ca_file",
    ca_path: "ca_path",
    cert_file: "cert_file",
    key_file: "key_file",
    min_version: "tls_min_version",
    cipher_suites: "tls_cipher_suites",
    verify_incoming: "verify_incoming",
    verify_outgoing: "verify_outgoing",
};
const DEFAULTS: Keys = keys!("defaults");
const HTTPS: Keys = keys!("https");
const INTERNAL_RPC: Keys = keys!("internal_rpc");

/// Reads and checks all of it.
pub(crate) fn tls(reader: &mut Reader<'_>) -> Tls {
    let mut https = protocol(reader, &HTTPS, "verify_incoming_https");
    let mut internal_rpc = protocol(reader, &INTERNAL_RPC, "verify_incoming_rpc");
    https.handshake_timeout = reader.positive_duration("limits.https_handshake_timeout");
    internal_rpc.handshake_timeout = reader.positive_duration("limits.rpc_handshake_timeout");
    let verify_server_hostname = reader
        .some_flag("tls.internal_rpc.verify_server_hostname")
        .or_else(|| reader.some_flag("tls.defaults.verify_server_hostname"))
        .unwrap_or_else(|| reader.flag("verify_server_hostname"));
    // Who wants the right name wants no plain text either.
    internal_rpc.verify_outgoing |= verify_server_hostname;
    check(reader, &https, "cert_file");
    if internal_rpc != https {
        check(reader, &internal_rpc, "key_file");
    }
    Tls {
        https,
        internal_rpc,
        verify_server_hostname,
        server_name: reader.text("server_name"),
        for_checks: reader.flag("enable_agent_tls_for_checks"),
    }
}

fn protocol(reader: &mut Reader<'_>, block: &Keys, flat_verify_incoming: &str) -> TlsProtocol {
    let text = |key: fn(&Keys) -> &'static str| {
        [key(block), key(&DEFAULTS), key(&FLAT)].into_iter().find_map(|key| Some((key, reader.some_text(key)?)))
    };
    let path = |key: fn(&Keys) -> &'static str| text(key).map(|(_, path)| PathBuf::from(path));
    let flag =
        |key: fn(&Keys) -> &'static str| [key(block), key(&DEFAULTS)].into_iter().find_map(|it| reader.some_flag(it));
    let suites = text(|keys| keys.cipher_suites).map(|(_, names)| names).unwrap_or_default();
    let min_version = text(|keys| keys.min_version);
    let mut protocol = TlsProtocol {
        ca_file: path(|keys| keys.ca_file),
        ca_path: path(|keys| keys.ca_path),
        cert_file: path(|keys| keys.cert_file),
        key_file: path(|keys| keys.key_file),
        verify_incoming: flag(|keys| keys.verify_incoming)
            .unwrap_or_else(|| reader.flag("verify_incoming") || reader.flag(flat_verify_incoming)),
        verify_outgoing: flag(|keys| keys.verify_outgoing).unwrap_or_else(|| reader.flag("verify_outgoing")),
        only_tls13: false,
        cipher_suites: suites.split(',').map(|it| it.trim().to_owned()).filter(|it| !it.is_empty()).collect(),
        handshake_timeout: Duration::ZERO,
    };
    if let Some((key, text)) = min_version {
        protocol.only_tls13 = is_only_tls13(reader, key, &text);
    }
    protocol
}

fn is_only_tls13(reader: &mut Reader<'_>, key: &'static str, text: &str) -> bool {
    match text {
        "tls13" | "TLSv1_3" => true,
        "tls10" | "tls11" | "tls12" | "TLSv1_0" | "TLSv1_1" | "TLSv1_2" | "TLS_AUTO" => false,
        other if !reader.has_refused(key) => {
            let known = if key == FLAT.min_version { "tls12,tls13" } else { "TLSv1_2,TLSv1_3" };
            reader.refuse(key, &format!("{key}: value {other:?} not supported, please specify one of [{known}]"));
            false
        }
        _ => false,
    }
}

/// What cannot work, in Consul's words. `key` is where the halves of an identity are complained about.
fn check(reader: &mut Reader<'_>, protocol: &TlsProtocol, key: &'static str) {
    if reader.has_refused("cert_file") || reader.has_refused("verify_incoming") || reader.has_refused("verify_outgoing")
    {
        return;
    }
    if protocol.cert_file.is_some() != protocol.key_file.is_some() {
        reader.refuse(key, "cert_file and key_file are needed together: give both, or none");
    }
    if protocol.verify_incoming && !protocol.has_authorities() {
        reader.refuse("verify_incoming", "VerifyIncoming set, and no CA certificate provided!");
    } else if protocol.verify_incoming && !protocol.has_identity() {
        reader.refuse("verify_incoming", "VerifyIncoming set, and no Cert/Key pair provided!");
    }
    if protocol.verify_outgoing && !protocol.has_authorities() {
        reader.refuse("verify_outgoing", "VerifyOutgoing set, and no CA certificate provided!");
    }
}
