"""What the Linux kernel offers, one file per feature. Nothing in here knows what a container is."""
