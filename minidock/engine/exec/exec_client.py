"""The caller's side of `exec`: sends what is asked to an exec monitor (`exec_monitor.py`) and waits for the end."""

from __future__ import annotations

import signal

from minidock.engine.exec.exec_options import ExecOptions
from minidock.engine.monitor import spawn
from minidock.engine.monitor.monitor_client import DETACHED, Attachment, Client
from minidock.engine.state_paths import Paths


def execute(
    paths: Paths, name: str, asked: ExecOptions, keys: bytes, attachment: Attachment | None = None, exec_id: str = ""
) -> int:
    """Run a process in the container called `name`; returns its exit code, or 0 at once if it is to be detached.

    `keys`: typed on its terminal to detach from it. Signals are not forwarded, as in docker: Ctrl-C ends this command,
    and with a terminal goes inside as a byte. Raises `MinidockError`, or `Detached` for those keys.

    `attachment`: other streams than this command's own. `exec_id`: of one that was created (`exec_instances.py`).
    """
    if asked.detach:
        attachment = DETACHED
    elif attachment is None:
        attachment = Attachment(asked.interactive, stdout=True, stderr=True, keys=keys, proxy=False)
    client = Client(
        spawn.take_channel("exec-monitor"), attachment, lambda line: None, lost="the exec monitor was killed"
    )
    client.send("execute", root=paths.root, cache=paths.cache, name=name, options=asked._asdict(), exec_id=exec_id)
    signal.signal(signal.SIGWINCH, client.on_signal)
    try:
        return client.follow()
    finally:
        client.close()
