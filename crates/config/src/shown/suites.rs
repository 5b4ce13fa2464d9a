//! Numbers of the TLS 1.2 cipher suites by name (IANA), which is how the configuration in force shows them.

/// The number of a suite that may be named in `tls_cipher_suites`.
pub(super) fn number(name: &str) -> Option<u16> {
    Some(match name {
        "TLS_RSA_WITH_AES_128_CBC_SHA" => 0x002f,
        "TLS_RSA_WITH_AES_256_CBC_SHA" => 0x0035,
        "TLS_RSA_WITH_AES_128_CBC_SHA256" => 0x003c,
        "TLS_RSA_WITH_AES_128_GCM_SHA256" => 0x009c,
        "TLS_RSA_WITH_AES_256_GCM_SHA384" => 0x009d,
        "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA" => 0xc009,
        "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA" => 0xc00a,
        "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA" => 0xc013,
        "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA" => 0xc014,
        "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256" => 0xc023,
        "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256" => 0xc027,
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256" => 0xc02b,
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384" => 0xc02c,
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" => 0xc02f,
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384" => 0xc030,
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305" | "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256" => 0xcca8,
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305" | "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256" => 0xcca9,
        _ => return None,
    })
}
