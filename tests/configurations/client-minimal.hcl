# What a first client is given.
datacenter = "dc1"
data_dir = "DIR/data"
bind_addr = "ADDRESS"
client_addr = "ADDRESS"
retry_join = ["127.0.0.2", "127.0.0.3", "127.0.0.4"]
