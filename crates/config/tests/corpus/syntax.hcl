data_dir = 
