"""What happens to containers when the machine goes down and comes up: what docker's daemon does, without a daemon.

`system stop` ends every container as `stop` does, but remembers that it was not its user who wanted that. `system
start` starts again what a restart policy wants to run (moby: daemon/daemon.go, restore): `always` in any case,
`unless-stopped` if no user had stopped it, `on-failure` if it did not end well. After a power cut there was no `system
stop`: then the boot id tells what was running (`recovery.record_lost_end`). A systemd unit calls both
(minidock.service).
"""

from __future__ import annotations

from minidock.engine.container import records
from minidock.engine.container.records import Record
from minidock.engine.container.stop import stop_container
from minidock.engine.monitor import restart_policy


def to_start(root: str) -> list[Record]:
    """The containers that do not run and should, the oldest first. The caller has swept."""
    return [record for record in reversed(records.load_all(root)) if record.is_over and _is_wanted(record)]


def _is_wanted(record: Record) -> bool:
    state = record.data["state"]
    if not state["startedAt"]:
        return False
    by_user = state["stopped"] and not state.get("shutdown")
    return restart_policy.is_wanted(record, state["exitCode"]) and (
        not by_user or record.data["options"]["restart"] == restart_policy.ALWAYS
    )


def to_stop(root: str) -> list[Record]:
    """The containers that run, or will again; the newest first."""
    return [record for record in records.load_all(root) if not record.is_over]


def stop_for_shutdown(record: Record) -> None:
    """Stop a container because the machine goes down."""
    stop_container(record.root, record.id, None, shutdown=True)
