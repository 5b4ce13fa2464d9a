data_dir = "/d"
bind_addr = "10.0.0.5"
watches = [
  { type = "key" keys = "a" args = ["true"] },
  { type = "services" args = "true" }
]
