//! The rows of TLS: the flat keys, and the same for each protocol.

use super::Kind::{Bool, Text};
use super::{Kind, Setting, Support};

const GRPC: &str = "gRPC is not available yet";

const fn row(key: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Setting {
    Setting::new(key, kind, default, doc).reloadable()
}

const CA_FILE: &str = "PEM file of the authorities that certificates are checked against.";
const CA_PATH: &str = "Folder of such files.";
const CERT_FILE: &str = "PEM file of this agent's certificate and its chain.";
const KEY_FILE: &str = "PEM file of its private key.";
const MIN_VERSION: &str = "Lowest version of TLS: TLSv1_2 or TLSv1_3 (older ones mean TLSv1_2).";
const SUITES: &str = "Suites of TLS 1.2 to offer, separated by commas; all good ones by default.";
const INCOMING: &str = "Refuse whoever connects without TLS and a certificate of the authorities.";
const OUTGOING: &str = "Send nothing to servers without TLS.";
const HOSTNAME: &str = "Accept only servers whose certificate is for server.<datacenter>.<domain>.";

macro_rules! block {
    ($block:literal, $support:expr) => {
        [
            row(concat!("tls.", $block, ".ca_file"), Text, "null", CA_FILE).support($support),
            row(concat!("tls.", $block, ".ca_path"), Text, "null", CA_PATH).support($support),
            row(concat!("tls.", $block, ".cert_file"), Text, "null", CERT_FILE).support($support),
            row(concat!("tls.", $block, ".key_file"), Text, "null", KEY_FILE).support($support),
            row(concat!("tls.", $block, ".tls_min_version"), Text, "null", MIN_VERSION).support($support),
            row(concat!("tls.", $block, ".tls_cipher_suites"), Text, "null", SUITES).support($support),
            row(concat!("tls.", $block, ".verify_incoming"), Bool, "null", INCOMING).support($support),
            row(concat!("tls.", $block, ".verify_outgoing"), Bool, "null", OUTGOING).support($support),
        ]
    };
}

/// The settings that all protocols share.
pub(super) static FLAT: &[Setting] = &[
    row("ca_file", Text, "\"\"", CA_FILE),
    row("ca_path", Text, "\"\"", CA_PATH),
    row("cert_file", Text, "\"\"", CERT_FILE),
    row("key_file", Text, "\"\"", KEY_FILE),
    row("tls_min_version", Text, "\"tls12\"", "Lowest version of TLS: tls12 or tls13 (tls10 and tls11 mean tls12)."),
    row("tls_cipher_suites", Text, "\"\"", SUITES),
    row("verify_incoming", Bool, "false", INCOMING),
    row("verify_incoming_rpc", Bool, "false", "As verify_incoming, for RPC alone."),
    row("verify_incoming_https", Bool, "false", "As verify_incoming, for HTTPS alone."),
    row("verify_outgoing", Bool, "false", OUTGOING),
    row("verify_server_hostname", Bool, "false", HOSTNAME),
    row("server_name", Text, "\"\"", "Name that checks with this agent's TLS expect; that of the host by default."),
    row("tls.defaults.verify_server_hostname", Bool, "null", HOSTNAME),
    row("tls.internal_rpc.verify_server_hostname", Bool, "null", HOSTNAME),
    row("tls.grpc.use_auto_cert", Bool, "null", "Show the certificate of auto_encrypt.")
        .support(Support::NoEffect(GRPC)),
];

/// The same for all protocols, and for each.
pub(super) static BLOCKS: [[Setting; 8]; 4] = [
    block!("defaults", Support::Works),
    block!("internal_rpc", Support::Works),
    block!("https", Support::Works),
    block!("grpc", Support::NoEffect(GRPC)),
];
