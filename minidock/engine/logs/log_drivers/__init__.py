"""Log drivers: what a container's log is on disk. A driver is one module with what `log_driver.Driver` lists.

A new one gets its name in `NAMES` and its import in `find`.

`none` is no driver: there is no log then. What is the same for all is elsewhere: lines and rotation in `logs.py`,
reading in `log_reader.py`.
"""

from __future__ import annotations

from minidock.errors import UsageError

# An idle monitor (`monitor/idle.py`) loads this and one driver: neither imports what is not always needed.
TYPE_CHECKING = False  # as in `typing`, without loading that
if TYPE_CHECKING:
    from minidock.engine.logs.log_drivers.log_driver import Driver

JSON_FILE, LOCAL = "json-file", "local"
NAMES = (JSON_FILE, LOCAL)


def find(name: str) -> Driver:
    """The driver of that name. Raises `UsageError` in docker's words if there is none."""
    if name == JSON_FILE:
        from minidock.engine.logs.log_drivers import json_file

        return json_file
    if name == LOCAL:
        from minidock.engine.logs.log_drivers import local

        return local
    raise UsageError(f'error looking up logging plugin {name}: plugin "{name}" not found')
