"""A container's files seen from outside: `cp`, `diff`, `export`, `commit`."""
