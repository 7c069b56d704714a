"""The caller's side of `exec`: hands what is asked to a keeper (`exec_monitor.py`) and stays until the process ends."""

from __future__ import annotations

import signal

from minidock.engine.exec.exec_options import ExecOptions
from minidock.engine.monitor import attach_client, spawn
from minidock.engine.paths import Paths


def execute(paths: Paths, name: str, asked: ExecOptions, keys: bytes) -> int:
    """Run a process in the container called `name`; returns its exit code, or 0 at once if it is to be detached.

    `keys`: what is typed on its terminal to leave it running. Signals are not for the process, as in docker: Ctrl-C
    ends this command, and with a terminal goes inside as a byte. Raises `MinidockError` with what could not
    be done, `Detached` for those keys.
    """
    attachment = attach_client.DETACHED
    if not asked.detach:
        attachment = attach_client.Attachment(asked.interactive, stdout=True, stderr=True, keys=keys, proxy=False)
    keeper = attach_client.Client(
        spawn.monitor("keeper"), attachment, lambda line: None, lost="the process's keeper was killed"
    )
    keeper.send("execute", root=paths.root, cache=paths.cache, name=name, options=asked._asdict())
    signal.signal(signal.SIGWINCH, keeper.on_signal)
    try:
        return keeper.follow()
    finally:
        keeper.close()
