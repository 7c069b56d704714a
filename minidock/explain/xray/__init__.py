"""`minidock xray`: what a container consists of, read from the kernel.

`model.py` is the result, one tree of plain values. `collect.py` collects it, with one file for each part: `processes`,
`cgroup_usage`, `network_path` (with `nat_rules`), `privileges`, `mount_table`. It is shown in three ways: by
`terminal_view.py`, by `html_page.py` (with `svg.py`), and as JSON, which is the tree itself; `descriptions.py` has
texts that the first two share. `http_server.py` serves the page with live values. From minidock's records come only
names and the pid of the first process.
"""
