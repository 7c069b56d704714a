"""The clients that wait for a container's next start (`await_start.py`), as its monitor finds them."""

from __future__ import annotations

import os
from contextlib import suppress

from minidock.engine import state_paths
from minidock.linux import sockets
from minidock.runtime.channel import Channel


def find(container_id: str) -> list[Channel]:
    """Channels to the clients that wait for the container. Those that were killed meanwhile are left out."""
    directory, found = state_paths.waiting_directory(container_id), []
    with suppress(FileNotFoundError):
        for name in sorted(os.listdir(directory)):
            path = os.path.join(directory, name)
            try:
                end = sockets.connect(path)
            except ConnectionRefusedError:
                with suppress(FileNotFoundError):
                    os.unlink(path)
            except OSError:
                continue
            else:
                end.setblocking(False)
                found.append(Channel(end))
                with suppress(FileNotFoundError):  # it is for one start
                    os.unlink(path)
    return found
