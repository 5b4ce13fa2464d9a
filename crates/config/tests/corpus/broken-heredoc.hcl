data_dir = "/d"
bind_addr = "10.0.0.5"
node_name = <<EOF
a name without an end
