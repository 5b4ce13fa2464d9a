data_dir = "/d"
bind_addr = "{{ GetInterfaceIP \"nolo\" }}"
