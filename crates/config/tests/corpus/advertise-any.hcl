data_dir = "/d"
advertise_addr = "0.0.0.0"
