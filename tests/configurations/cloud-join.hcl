data_dir = "DIR/data"
bind_addr = "ADDRESS"
client_addr = "ADDRESS"
retry_join = ["127.0.0.9", "consul.service.example.internal:8301"]
retry_interval = "1m"
retry_max = 100
