data_dir = "DIR/data"
bind_addr = "{{ GetAllInterfaces | include \"name\" \"^lo$\" | include \"type\" \"IPv4\" | limit 1 | attr \"address\" }}"
advertise_addr = "ADDRESS"
client_addr = "ADDRESS"
serf_lan = "ADDRESS"
node_name = "templated"
ports {
  server = 28300
  serf_lan = 28301
  serf_wan = 28302
}
