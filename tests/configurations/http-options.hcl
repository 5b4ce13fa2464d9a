data_dir = "DIR/data"
bind_addr = "ADDRESS"
client_addr = "ADDRESS"
http_config {
  use_cache = false
}
limits {
  http_max_conns_per_client = 50
  kv_max_value_size = 262144
  txn_max_req_len = 1048576
}
unix_sockets {
  mode = "0770"
}
disable_update_check = true
disable_anonymous_signature = true
disable_remote_exec = true
disable_http_unprintable_char_filter = true
