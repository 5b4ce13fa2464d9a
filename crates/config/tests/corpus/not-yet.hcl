data_dir = "/d"
encrypt = "pUqJrVyVRj5jsiYEkM/tFQYfWyJIv4s3XkvDwy7Cu5s="
acl { enabled = true default_policy = "deny" }
verify_incoming = true
connect { enabled = true }
retry_join = ["provider=aws tag_key=a tag_value=b"]
watches = [{ type = "key", key = "x" }]
autopilot { cleanup_dead_servers = false }
segments = []
