"""The monitor of a running container: the process beside it that is its parent, writes its log and records its end."""
