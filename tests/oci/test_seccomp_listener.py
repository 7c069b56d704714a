"""SCMP_ACT_NOTIFY: a program of the host's answers for the kernel (seccomp_unotify(2))."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import struct
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.oci.conftest import Oci

_RECEIVE, _SEND = 0xC0502100, 0xC0182101  # SECCOMP_IOCTL_NOTIF_RECV, SECCOMP_IOCTL_NOTIF_SEND of <linux/seccomp.h>


class Listener(threading.Thread):
    """Refuses every call that it is asked about, with an error number that no kernel would give."""

    def __init__(self, path: Path, connections: int) -> None:
        super().__init__(daemon=True)
        self.told: list[dict[str, Any]] = []
        self.connections = connections
        self.server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.server.bind(str(path))
        self.server.listen()

    def run(self) -> None:
        for _ in range(self.connections):
            end, _ = self.server.accept()
            text, fds, _, _ = socket.recv_fds(end, 1 << 16, 1)
            end.close()
            self.told.append(json.loads(text))
            self._refuse(fds[0])
            os.close(fds[0])

    def _refuse(self, fd: int) -> None:
        request = bytearray(80)
        fcntl.ioctl(fd, _RECEIVE, request)
        (number,) = struct.unpack_from("Q", request)
        fcntl.ioctl(fd, _SEND, struct.pack("QqiI", number, 0, -errno.ENOMEDIUM, 0))


def _section(path: Path, **changes: Any) -> dict[str, Any]:
    rules = [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_NOTIFY"}]
    return {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules, "listenerPath": str(path), **changes}}


@pytest.mark.parametrize("no_new_privs", [True, False])
def test_calls_are_asked_about(oci: Oci, tmp_path: Path, no_new_privs: bool) -> None:
    listener = Listener(tmp_path / "socket", 2)
    listener.start()
    oci.configure("sh", "-c", "busybox mkdir /new; exec sleep 1000", process={"noNewPrivileges": no_new_privs},
                  linux=_section(tmp_path / "socket", listenerMetadata="ours"))  # fmt: skip
    assert oci.run("one", "-d").returncode == 0
    inside = oci("exec", "one", "busybox", "mkdir", "/other")
    assert (inside.returncode, "No medium found" in inside.stderr) == (1, True)
    listener.join(60)
    first, second = listener.told
    state = oci.state("one")
    assert (first["pid"], first["fds"], first["metadata"]) == (state["pid"], ["seccompFd"], "ours")
    assert (first["state"]["id"], first["state"]["status"], first["state"]["pid"]) == ("one", "creating", state["pid"])
    assert (second["state"]["status"], second["state"]["pid"]) == ("running", state["pid"])
    assert not (oci.bundle / "rootfs/new").exists()


def test_nobody_listens(oci: Oci, tmp_path: Path) -> None:
    oci.configure("true", linux=_section(tmp_path / "socket"))
    done = oci.run("one")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "failed to connect with seccomp agent" in done.stderr
    assert list(oci.root.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"defaultAction": "SCMP_ACT_NOTIFY"}, "cannot be the default action"),
        ({"syscalls": [{"names": ["write"], "action": "SCMP_ACT_NOTIFY"}]}, "cannot be used for the write syscall"),
        ({"listenerPath": ""}, "needs a listenerPath"),
        ({"syscalls": []}, "no rule has SCMP_ACT_NOTIFY"),
        ({"syscalls": [], "listenerPath": "", "listenerMetadata": "x"}, "listenerPath is not"),
    ],
)
def test_what_cannot_be_meant(oci: Oci, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    oci.configure("true", linux=_section(tmp_path / "socket", **changes))
    done = oci.run("one")
    assert (done.returncode, message in done.stderr, done.stderr.count("\n")) == (1, True, 1), done.stderr
