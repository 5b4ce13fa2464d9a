data_dir = "/d"
service { port = 1 }
check { ttl = "1s" }
