data_dir = "/d"
bind_addr = "10.0.0.5"
cert_file = "/cert.pem"
verify_incoming_https = true
tls_min_version = "ssl3"
