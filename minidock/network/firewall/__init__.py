"""The packet filter of a host's containers: the rules that they need, what is in the kernel, and the difference."""
