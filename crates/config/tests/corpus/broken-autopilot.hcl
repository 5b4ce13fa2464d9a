data_dir = "/d"
bind_addr = "10.0.0.5"
server = true
autopilot {
  max_trailing_logs = -1
  last_contact_threshold = "fast"
  cleanup_dead_server = true
}
