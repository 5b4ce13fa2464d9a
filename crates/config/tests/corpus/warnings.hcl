data_dir = "/d"
rejoin_after_leave = true
gossip_wan { gossip_nodes = 3 probe_interval = "4s" }
ui = false
