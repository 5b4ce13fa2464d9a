data_dir = "/d"
bind_addr = "10.0.0.5"
check {
  id = "mem"
  script = "/bin/check-mem"
  interval = "10s"
}
