data_dir = "/d"
bind_addr = "10.0.0.5"
addresses {
  dns = "unix:///run/dns.sock"
}
unix_sockets {
  mode = "rwx"
}
