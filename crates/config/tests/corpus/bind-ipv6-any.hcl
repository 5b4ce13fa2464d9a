data_dir = "/d"
bind_addr = "::"
