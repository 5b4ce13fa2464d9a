server = true
bootstrap_expect = 3
data_dir = "DIR/data"
bind_addr = "ADDRESS"
client_addr = "ADDRESS"
raft_protocol = 3
protocol = 2
raft_snapshot_threshold = 8192
raft_trailing_logs = 20480
performance {
  raft_multiplier = 7
  leave_drain_time = "10s"
  rpc_hold_timeout = "12s"
}
autopilot {
  cleanup_dead_servers = false
  last_contact_threshold = "500ms"
  max_trailing_logs = 500
  min_quorum = 3
  server_stabilization_time = "20s"
}
