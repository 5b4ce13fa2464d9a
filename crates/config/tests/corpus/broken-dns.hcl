data_dir = "/d"
bind_addr = "10.0.0.5"
domain = "consul."
dns_config {
  service_ttl = "5s"
  node_ttl = "-1s"
  recursor_strategy = "random"
  soa {
    min_tll = 5
  }
}
recursors = ["dns.example.com", "8.8.8.8:dns"]
