"""`exec`: one more process in a running container, with a monitor of its own."""
