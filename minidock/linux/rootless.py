"""Whether this process is root only of a user namespace that `engine/rootless` has made for an ordinary user.

It has all capabilities there, and none over what belongs to the machine: no device can be made, no filter for devices
be attached, no attribute "trusted." be written (user_namespaces(7)). The variable is set when the namespaces are
joined, and kept by the processes that are started from there; `cli/entry.py` takes it away from everybody else.
"""

from __future__ import annotations

import os

VARIABLE = "MINIDOCK_ROOTLESS"  # UID:GID of that user outside


def is_on() -> bool:
    """Whether it is so."""
    return VARIABLE in os.environ


def ids() -> tuple[int, int]:
    """Who the user is outside; only where `is_on`."""
    uid, _, gid = os.environ[VARIABLE].partition(":")
    return int(uid), int(gid)
