datacenter = "my dc"
node_name = ""
server = "yes"
bootstrap_expect = 3
bind_addr = "0.0.0.0 ::"
encrypt = "abc"
ports { http = 100000 dns = "53" }
retry_join = { a = "b" }
telemetry { statsd_addres = "x" }
