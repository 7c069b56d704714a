"""What a user of docker knows: containers, images, networks, volumes. Owns the state on disk."""
