"""What is asked of a new container, in docker's words, read and checked: the same for flags and for the Engine API."""
