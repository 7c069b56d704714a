"""`minidock layers`: what each layer of an image adds, changes and hides."""
