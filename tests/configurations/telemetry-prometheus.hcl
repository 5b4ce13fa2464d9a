data_dir = "DIR/data"
bind_addr = "ADDRESS"
client_addr = "ADDRESS"
telemetry {
  disable_hostname = true
  prometheus_retention_time = "60s"
  metrics_prefix = "consul"
  filter_default = true
  prefix_filter = ["+consul.rpc.server.call", "-consul.http.GET"]
}
