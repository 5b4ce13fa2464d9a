data_dir = "/d"
server = true
node_name = "a_b"
bootstrap_expect = 2
