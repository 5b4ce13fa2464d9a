# One of three servers behind a firewall.
datacenter       = "dc1"
data_dir         = "DIR/data"
node_name        = "consul-server-1"
server           = true
bootstrap_expect = 3
bind_addr        = "ADDRESS"
client_addr      = "ADDRESS"
retry_join       = ["127.0.0.11:8301", "127.0.0.12:8301"]
retry_interval   = "15s"
retry_max        = 0
rejoin_after_leave = true
leave_on_terminate = false
skip_leave_on_interrupt = true
log_level        = "WARN"
performance {
  raft_multiplier = 1
}
