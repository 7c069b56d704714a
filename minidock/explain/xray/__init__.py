"""`minidock xray`: what a container is, asked of the kernel.

`model.py` is the answer, one tree of plain values. `collect.py` gathers it, with a file for each thing that it looks
at: `processes`, `groups`, `network` (with `translation`), `security`, `mounts`. There are three ways to show it:
`terminal_view.py`, `html_page.py` (with `svg.py`), and JSON, which is the tree itself; `descriptions.py` is what the
first two say. `http_server.py` keeps the page alive. Of minidock's own records only names are taken, and where the
first process is.
"""
