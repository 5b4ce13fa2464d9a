data_dir = "/d"
bind_addr = "10.0.0.5"
client_addr = "0.0.0.0 ::x"
addresses {
  dns = "localhost"
  http = "127.0.0.1:8500"
}
advertise_addr = "example.com"
serf_lan = "10.0.0.5:8301"
