"""Where minidock keeps its state."""

from __future__ import annotations

import os

from minidock.named_tuple import NamedTuple
from minidock.state import DEFAULT_ROOT

DEFAULT_RUN = "/run/minidock"


class Paths(NamedTuple):
    """`root`: images, layers and containers, plain files all of them. `--root` or MINIDOCK_ROOT moves it."""

    root: str

    @property
    def cache(self) -> str:
        """What can be made again at any time."""
        return os.path.join(self.root, "cache")


def choose(root: str | None) -> Paths:
    """The option's value, else the environment's, else the default; always absolute."""
    return Paths(os.path.abspath(root or os.environ.get("MINIDOCK_ROOT") or DEFAULT_ROOT))


def run_directory() -> str:
    """Where sockets are, and whatever else a reboot may take. MINIDOCK_RUN moves it."""
    return os.path.abspath(os.environ.get("MINIDOCK_RUN") or DEFAULT_RUN)


def settings_file() -> str:
    """The configuration file (`settings.py`, `images/registry_config.py`). MINIDOCK_CONFIG names another one."""
    return os.environ.get("MINIDOCK_CONFIG") or "/etc/minidock/config.toml"


def socket_path(container_id: str) -> str:
    """The socket of a container's monitor. Short: a socket's path has 108 bytes at most (unix(7))."""
    return os.path.join(run_directory(), "containers", container_id[:32])


def aside_path(container_id: str) -> str:
    """What is on record of a container while its root cannot be written to (`record_file.py`)."""
    return os.path.join(run_directory(), "aside", f"{container_id}.json")


def exec_directory(container_id: str) -> str:
    """Where the processes are named that `exec` has brought into a container (`exec/exec_ids.py`)."""
    return os.path.join(run_directory(), "execs", container_id)


def waiting_directory(container_id: str) -> str:
    """Where they are found who wait for a container's next start (`monitor/await_start.py`)."""
    return os.path.join(run_directory(), "waiting", container_id[:32])


def exec_instances() -> str:
    """What is known of processes of `exec` that others than their command ask for (`exec/exec_instances.py`)."""
    return os.path.join(run_directory(), "exec-instances")
