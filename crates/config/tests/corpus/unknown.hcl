data_dir = "/d"
datacentre = "x"
ports {
  htttp = 1
}
quux = true
service { nam = "x" }
