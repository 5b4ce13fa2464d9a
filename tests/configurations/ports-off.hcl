data_dir = "DIR/data"
server = true
bootstrap_expect = 3
bind_addr = "ADDRESS"
client_addr = "ADDRESS"
ports {
  dns = -1
  https = -1
  grpc = -1
  serf_wan = -1
  sidecar_min_port = 22000
  sidecar_max_port = 22100
  expose_min_port = 22500
  expose_max_port = 22600
}
