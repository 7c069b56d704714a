"""What goes over a connection that is no JSON."""
