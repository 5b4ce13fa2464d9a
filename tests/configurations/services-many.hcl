data_dir = "DIR/data"
bind_addr = "ADDRESS"
client_addr = "ADDRESS"
enable_local_script_checks = true
services {
  id = "red0"
  name = "redis"
  tags = ["primary"]
  address = "127.0.0.1"
  port = 6000
  meta = {
    version = "6.0"
  }
  weights = {
    passing = 5
    warning = 1
  }
  enable_tag_override = true
  checks = [
    {
      id = "red0-script"
      name = "answers"
      args = ["/bin/true", "-p", "6000"]
      interval = "5s"
      timeout = "2s"
      success_before_passing = 2
      failures_before_critical = 3
    },
    {
      tcp = "127.0.0.1:6000"
      interval = "30s"
    }
  ]
}
services {
  id = "red1"
  name = "redis"
  tags = ["delayed", "secondary"]
  port = 7000
  token = "5f8a1d14-0000-4000-8000-00000000000c"
  tagged_addresses {
    lan = {
      address = "127.0.0.5"
      port = 80
    }
    wan = {
      address = "127.0.0.6"
      port = 90
    }
  }
  check {
    ttl = "30s"
    status = "passing"
    deregister_critical_service_after = "90m"
  }
}
