"""Stop containers at shutdown and start them after boot, as docker's daemon does, without a daemon.

`system stop` ends every container as `stop` does, but records that no user asked for it. `system start` starts the
containers whose restart policy says so (moby: daemon/daemon.go, restore): `always` in any case, `unless-stopped` if no
user had stopped it, `on-failure` if its exit code was not 0. After a power cut there was no `system stop`: then the
boot id shows which were running (`recovery.record_lost_end`). A systemd unit calls both (minidock.service).
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
