data_dir = "DIR/data"
bind_addr = "ADDRESS"
client_addr = "ADDRESS"
ports {
  https = 8501
}
ca_file = "DIR/ca.pem"
cert_file = "DIR/cert.pem"
key_file = "DIR/key.pem"
verify_incoming_https = true
tls_min_version = "tls12"
tls_cipher_suites = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"
enable_agent_tls_for_checks = true
limits {
  https_handshake_timeout = "7s"
}
