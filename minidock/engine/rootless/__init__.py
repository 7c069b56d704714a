"""Containers of a user who is not root: all of minidock runs as root of a user namespace of that user's own."""
