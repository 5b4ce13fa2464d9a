data_dir = "DIR/data"
bind_addr = "ADDRESS"
client_addr = "ADDRESS"
discard_check_output = true
disable_coordinates = true
session_ttl_min = "30s"
check_update_interval = "0s"
check = {
  id = "disk"
  name = "Disk"
  ttl = "1m"
}
