data_dir = "DIR/data"
bind_addr = "ADDRESS"
client_addr = "ADDRESS"
domain = "example.internal"
alt_domain = "consul"
recursors = ["127.0.0.53", "127.0.0.54:5353"]
dns_config {
  allow_stale = true
  max_stale = "5s"
  node_ttl = "30s"
  service_ttl {
    "*" = "5s"
    "web" = "30s"
    "db*" = "10s"
  }
  enable_truncate = true
  only_passing = true
  udp_answer_limit = 5
  a_record_limit = 4
  recursor_timeout = "3s"
  disable_compression = true
  enable_additional_node_meta_txt = false
  soa {
    min_ttl = 30
    refresh = 7200
  }
}
