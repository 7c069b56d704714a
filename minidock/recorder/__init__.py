"""Recording for `--explain`: each step and call of a process, as strace(1) writes calls, is sent over one socket."""
