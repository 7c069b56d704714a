"""Commands that show the same without minidock: one for each part of an X-ray, with this container's numbers.

No text that a container has chosen is in them, so each can be pasted into a shell.
"""

from __future__ import annotations

import shlex

from minidock.explain.xray.model import Root, Xray

_FEW = 4  # processes


def commands(xray: Xray) -> dict[str, str]:
    """{part: command}; the parts are called as in the page and the catalogue of texts."""
    running = xray.running
    if running is None:
        return {"stack": _upper(xray.root)} if xray.root.upper else {}
    pid = running.pid
    found = {
        "namespaces": f"ls -l /proc/{pid}/ns /proc/self/ns",
        "processes": f"grep NSpid {' '.join(f'/proc/{row.pid}/status' for row in running.processes[:_FEW])}",
        "stack": f"grep ' / / ' /proc/{pid}/mountinfo; {_upper(xray.root)}",
        "rights": f"grep -E '^(Cap|Seccomp|NoNew)' /proc/{pid}/status",
        "network": f"nsenter -t {pid} -n ip address; ip -d link; nft list ruleset",
        "mounts": f"cat /proc/{pid}/mountinfo",
        "limits": f"cat /proc/{pid}/limits",
    }
    if group := running.cgroup:
        directory = shlex.quote(group.mount.rstrip("/") + group.path)
        found["cgroup"] = f"cd {directory}; grep . *.current *.max *.stat"
    return found


def _upper(root: Root) -> str:
    """Whiteouts are the devices 0, 0."""
    return f"find {shlex.quote(root.upper)} -ls"
