"""What a container is made of: its bundle, its files, its users, its devices, its mounts, its limits of power."""
