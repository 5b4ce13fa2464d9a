data_dir = "/d"
bind_addr = "10.0.0.5"
ports {
  http = 8500
