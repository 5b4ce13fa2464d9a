data_dir = "/d"
bind_addr = "10.0.0.5"
ports {
  http = 8500
  https = 8500
  dns = 8500
  serf_lan = 8300
  sidecar_min_port = 22000
  sidecar_max_port = 21000
}
cert_file = "/c"
key_file = "/k"
