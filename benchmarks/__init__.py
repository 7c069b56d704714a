"""Side-by-side timings, run by hand: `python -m benchmarks` (or `make bench`). Nothing here is a test."""
