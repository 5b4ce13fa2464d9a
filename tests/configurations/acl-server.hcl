server = true
bootstrap_expect = 1
data_dir = "DIR/data"
bind_addr = "ADDRESS"
client_addr = "ADDRESS"
primary_datacenter = "dc1"
acl = {
  enabled = true
  default_policy = "deny"
  down_policy = "extend-cache"
  enable_token_persistence = true
  enable_key_list_policy = true
  token_ttl = "60s"
  policy_ttl = "45s"
  role_ttl = "50s"
  tokens = {
    master = "6d1b9c5e-0000-4000-8000-000000000001"
    agent_master = "6d1b9c5e-0000-4000-8000-000000000001"
  }
}
