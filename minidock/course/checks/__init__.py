"""One module for each stage: what the kernel must show. `check` raises `Missing` at the first thing that is not so."""
