// Comments of every kind, and values of every form.
data_dir = "DIR/data" # the place
/* where it
   listens */
bind_addr = "ADDRESS"
client_addr = "ADDRESS"
node_meta {
  "quoted-key" = "a \"quoted\" value"
  plain_key = "x"
}
retry_join = [
  "127.0.0.2",
  "127.0.0.3", // a comma at the end
]
telemetry { disable_hostname = true }
