"""What happened in the kernel, and what is there, in words and pictures (the book's sections beside them)."""
