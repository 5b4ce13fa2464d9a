data_dir = "/d"
bind_addr = "10.0.0.5"
retry_join = "10.0.0.1"
retry_intervall = "10s"
retry_max = -3
start_join = [1, 2]
