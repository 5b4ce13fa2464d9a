data_dir = "/d"
rejoin_after_leave = true
gossip_wan { gossip_nodes = 3 probe_interval = "4s" }
http_config { block_endpoints = ["/v1/x"] allow_write_http_from = ["10.0.0.0/8"] }
retry_join_wan = ["a"]
ui = false
