"""What happens in a process, told to another: each call in the words of strace(1), each step, over one socket."""
