"""Find and clean up containers whose monitor or creator was killed, by SIGKILL or with the machine.

`sweep` finds them: containers that are not over and whose lock is free. Every command calls it first. `cleanup.py`
removes what they have left.
"""

from __future__ import annotations

import os
from contextlib import suppress

from minidock import state
from minidock.engine.container import container_lock, record_file, records
from minidock.engine.container.cleanup import finish, finish_removal
from minidock.engine.container.records import REMOVING, Record
from minidock.errors import MinidockError
from minidock.linux.directory_trees import remove_tree
from minidock.observe import step

KILLED = 137
SWITCHED_OFF = 255  # docker's exit code for what ran when the machine went down


def sweep(root: str) -> None:
    """Find containers whose monitor or creator was killed, and clean up. The caller holds `records.all_locked`.

    A container that `run` had not yet started is removed; one that ran is kept as exited, or removed if it had --rm.
    What cannot be removed now (a full disk, a process that does not end) is left for the next sweep, so that the other
    containers can be used. One whose record is damaged stays as it is (`damaged_record.py`).
    """
    for name in (*records.ids(root), *records.removed(root)):
        with suppress(OSError, MinidockError):
            _sweep_one(root, name)
    with suppress(OSError, MinidockError):
        _mend_network(root)


def _mend_network(root: str) -> None:
    """Write the packet filter's rules anew if another program has flushed or changed any. The check takes a
    millisecond.
    """
    from minidock.network.firewall import filter_state

    if (intact := filter_state.is_intact()) is False:
        from minidock.network.firewall import packet_filter

        packet_filter.repair()
    elif intact is None:
        from minidock.engine.networks import reload

        reload.if_needed(root)


def _sweep_one(root: str, name: str) -> None:
    """`name`: a directory's name, so an id, or an id with the prefix of containers that are being removed."""
    record, seen = None, record_file.identity(root, name)
    if not name.startswith(REMOVING) and (record := records.load(root, name)) and record.is_over:
        if record.is_aside:
            with records.changing(record):  # which writes it into the record, if that is possible now
                pass
        else:
            record_file.keep_unused(root, name, seen, record.data)
        return  # without trying its lock, which others might need at this moment
    try:
        lock = container_lock.take_lock(root, name)
    except FileNotFoundError:  # killed at the end of removing
        if name.startswith(REMOVING):
            remove_tree(os.path.join(root, "containers", name))
        return
    if lock is None:
        if record and not record.is_aside:
            record_file.keep_unused(root, name, seen, record.data)
        return
    try:
        with step("Clean up after a killed monitor", book="4.7.3"):
            if name.startswith(REMOVING):
                finish_removal(root, name.removeprefix(REMOVING))
            elif (record := records.load(root, name)) is None:
                remove_tree(os.path.join(root, "containers", name))
            else:
                record_lost_end(record)
    finally:
        os.close(lock)


def record_lost_end(record: Record) -> None:
    """Record how a container ended whose monitor was killed. The caller holds its lock, so the monitor is dead: it was
    killed, and the container with it (PR_SET_PDEATHSIG), or the machine was switched off.
    """
    if record.is_over:
        return
    state.sweep(record.directory)
    if record.data["state"]["boot"] == state.boot_id():
        finish(record, KILLED, error="its monitor was killed")
    else:
        finish(record, SWITCHED_OFF)


def sweep_all(root: str) -> None:
    """`sweep`, for commands that change nothing."""
    if os.path.isdir(os.path.join(root, "containers")):
        with records.all_locked(root):
            sweep(root)


def clean_up_after_monitor(record: Record) -> None:
    """Clean up after a monitor that failed or was killed. Its lock becomes free a moment after its channel is closed,
    so this waits for it.
    """
    with suppress(FileNotFoundError, MinidockError):
        os.close(container_lock.wait_for_lock(record.root, record.id))
    sweep_all(record.root)
