data_dir = "/d"
bind_addr = "10.0.0.5"
acl {
  enabled = true
  default_policy = "maybe"
  down_policy = "sometimes"
  tokns {
    master = "x"
  }
}
