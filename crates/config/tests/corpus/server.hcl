# A server as an article shows it.
datacenter = "East-1"
data_dir   = "/opt/consul"
node_name  = "n1"
server     = true
bootstrap_expect = 3
retry_join = ["10.0.0.1", "10.0.0.2:9301"]
bind_addr  = "{{ GetInterfaceIP \"eth0\" }}"
client_addr = "127.0.0.1 {{ GetPrivateIP }}"
performance { raft_multiplier = 1 }
ports { http = 8080 dns = -1 }
dns_config {
  service_ttl { "web*" = "10s" "*" = "5s" }
  only_passing = true
}
recursors = ["8.8.8.8", "[2001:db8::1]:5353"]
acl { enabled = false default_policy = "allow" tokens { default = "x" } }
telemetry { statsd_address = "127.0.0.1:8125" }
ui = true
mass_failure_brake_percent = 20
service {
  name = "web"
  port = 80
  tags = ["a", "b"]
  weights { passing = 5 warning = 1 }
  tagged_addresses { wan { address = "1.2.3.4" port = 81 } }
  check { id = "c1" http = "http://localhost" interval = "10s" header { X = ["y"] } }
  checks = [{ ttl = "30s" }, { args = ["/bin/true"], interval = "5s" }]
}
service { name = "db" id = "db1" connect { native = true } }
checks = [{ id = "mem", name = "memory", args = ["/bin/mem"], interval = "1m", service_id = "db1" }]
