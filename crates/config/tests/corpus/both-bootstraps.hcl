data_dir = "/d"
server = true
bootstrap = true
bootstrap_expect = 3
