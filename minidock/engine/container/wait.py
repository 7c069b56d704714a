"""`wait`: wait for the end of a container, and return its exit code."""

from __future__ import annotations

from minidock.engine.container import records
from minidock.engine.container.end_of_run import EndWatch
from minidock.engine.container.records import RESTARTING


def wait_for_container(root: str, name: str) -> int:
    """Wait until a container does not run, and return its exit code; at once if it does not run now."""
    record = records.find(root, name)
    while record.is_up or record.status == RESTARTING:
        code = EndWatch(record).end(None)
        if code is not None:
            return code
        record.reload()
    return int(record.data["state"]["exitCode"])
