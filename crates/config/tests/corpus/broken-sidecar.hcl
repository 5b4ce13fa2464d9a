data_dir = "/d"
bind_addr = "10.0.0.5"
service {
  name = "web"
  connect {
    sidecar_service {
      proxy {
        upstreams = [ { destination = "db" local_bind_port = "9191" } ]
      }
    }
  }
}
