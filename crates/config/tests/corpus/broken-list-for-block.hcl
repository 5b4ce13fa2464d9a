data_dir = "/d"
bind_addr = "10.0.0.5"
performance = ["raft_multiplier"]
telemetry = "on"
