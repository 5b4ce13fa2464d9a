data_dir = "/d"
bind_addr = "10.0.0.5"
check {
  id = "a"
  alias_servce = "web"
}
