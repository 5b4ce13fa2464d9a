data_dir = "/d"
bootstrap = true
bootstrap_expect = 2
