data_dir = "/d"
datacenter = "dc 1"
node_id = "zz"
node_meta { "consul-x" = "y" }
bootstrap_expect = -1
check_update_interval = "x"
retry_interval = "-5s"
performance { raft_multiplier = 11 }
dns_config { udp_answer_limit = -1 a_record_limit = -1 soa { refresh = -1 } }
ports { dns = 70000 server = -1 }
addresses { dns = "foo" http = "unix:///tmp/x" }
recursors = ["foo"]
log_level = "loud"
reconnect_timeout = "1h"
gossip_lan { probe_interval = "0s" }
mass_failure_brake_percent = 101
allow = 1
