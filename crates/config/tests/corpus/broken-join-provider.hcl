data_dir = "/d"
bind_addr = "10.0.0.5"
retry_join = ["provider=aws tag_key=role tag_value=consul", "provider=k8s label_selector=\"app=consul\" colour=red"]
