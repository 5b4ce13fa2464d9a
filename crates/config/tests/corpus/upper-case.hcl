Data_Dir = "/d"
Services { Name = "a" Port = 3 }
