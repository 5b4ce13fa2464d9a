data_dir = "/d"
ports { http = 8600 serf_lan = 8300 }
