"""Commands about the host and minidock itself."""
