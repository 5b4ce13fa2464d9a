server = true
bootstrap_expect = 3
data_dir = "DIR/data"
bind_addr = "ADDRESS"
client_addr = "ADDRESS"
encrypt = "pUqJrVyVRj5jsiYEkM/tFQYfWyJIv4s3XkvDwy7Cu5s="
encrypt_verify_incoming = true
encrypt_verify_outgoing = true
disable_keyring_file = true
reconnect_timeout = "24h"
reconnect_timeout_wan = "48h"
gossip_lan {
  gossip_nodes = 4
  gossip_interval = "100ms"
  probe_interval = "2s"
  probe_timeout = "1s"
  retransmit_mult = 5
  suspicion_mult = 5
}
gossip_wan {
  probe_interval = "6s"
}
