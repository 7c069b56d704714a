"""`minidock xray`: what a container is, asked of the kernel.

`model.py` is the answer, one tree of plain values; `look.py` gathers it, with one file per thing looked at. Three ways
to show it: `terminal.py`, `page.py` (with `drawings.py`), and JSON, which is the tree itself. `serve.py` keeps the page
alive. Of minidock's own records only names are taken, and where the container's first process is.
"""
