"""What is written down as it happens and read later: the log of each container, the events of all."""
