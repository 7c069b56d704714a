"""A monitor with nothing to do makes itself small, and is all there when it is needed."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.engine.containers import Containers, eventually
from tests.engine.test_life import background, no_containers_afterwards, ok, state
from tests.support.command import Minidock
from tests.support.machine import parent, read

__all__ = ["no_containers_afterwards", "ok"]

ECHO = 'echo up; while read line; do printf "$line"; done; exit 6'


def is_small(pid: int) -> bool:
    """Whether the process is the small program, and waits."""
    return b"/idle." in read(f"/proc/{pid}/cmdline") and b"poll" in read(f"/proc/{pid}/wchan")


def quiet(ok: Callable[..., str], containers: Containers, script: str, *options: str) -> dict[str, Any]:
    """A container whose monitor has made itself small: its record."""
    record = background(ok, containers, script, *options)
    eventually(lambda: is_small(record["state"]["monitor"]))
    return record


def private(pid: int) -> int:
    """The memory that a process has for itself, in kB."""
    lines = read(f"/proc/{pid}/smaps_rollup").decode().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))


def test_it_is_the_same_process_and_smaller(engine: Minidock, containers: Containers) -> None:
    words = ("run", "--network", "none", "alpine", "sh", "-c", "echo up; exec sleep 1000")
    caller = engine.start(*words, stdout=subprocess.PIPE)
    assert caller.stdout is not None
    assert caller.stdout.readline() == b"up\n"
    record = containers.one_running()
    monitor = record["state"]["monitor"]
    before = private(monitor)  # with a caller to serve it cannot make itself small
    caller.kill()
    caller.communicate()
    eventually(lambda: is_small(monitor))
    assert private(monitor) < before * 2 / 3
    assert parent(record["state"]["pid"]) == monitor
    with open(containers.directory / record["id"] / "lock", "rb") as lock, pytest.raises(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_it_goes_on_logging_where_it_was_in_the_middle_of_a_line(
    engine: Minidock, ok: Callable[..., str], containers: Containers
) -> None:
    shared = containers.directory.parent / "shared"
    shared.mkdir(exist_ok=True)
    (shared / "go").unlink(missing_ok=True)
    wait = "until [ -e /shared/go ]; do sleep 0.05; done"
    script = f"echo up; printf 'first half,'; printf error >&2; {wait}; echo ' second half'; echo s >&2"
    record = quiet(ok, containers, f"{script}; exec sleep 1000", "--name", "halves", "-v", f"{shared}:/shared")
    (shared / "go").touch()
    eventually(lambda: engine("logs", "halves").stdout == b"up\nfirst half, second half\n")
    assert is_small(record["state"]["monitor"])
    assert engine("logs", "halves").stderr == b"errors\n"


def test_half_a_line_of_the_small_one_is_the_big_ones_to_end(
    ok: Callable[..., str], containers: Containers, tmp_path: Path
) -> None:
    wait = "until [ -e /shared/go ]; do sleep 0.05; done"
    script = f"echo up; {wait}; printf half; sleep 1; echo whole; exit 3"
    quiet(ok, containers, script, "--name", "halves", "-v", f"{tmp_path}:/shared")
    (tmp_path / "go").touch()
    assert ok("wait", "halves") == "3\n"
    assert ok("logs", "halves") == "up\nhalfwhole\n"


def test_who_attaches_wakes_it_and_it_sleeps_again(
    engine: Minidock, ok: Callable[..., str], containers: Containers
) -> None:
    monitor = quiet(ok, containers, ECHO, "--name", "chat", "-i")["state"]["monitor"]
    asleep = private(monitor)
    for word in ("one", "two"):
        guest = engine.start("attach", "chat", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert guest.stdin is not None
        assert guest.stdout is not None
        guest.stdin.write(word.encode() + b"\n")
        guest.stdin.flush()
        assert guest.stdout.read(3) == word.encode()
        assert private(monitor) > asleep * 3 / 2
        guest.kill()
        guest.communicate()
        eventually(lambda: private(monitor) < asleep * 5 / 4)
    ok("kill", "chat")
    assert ok("logs", "chat") == "up\nonetwo"


@pytest.mark.parametrize("command", ["stop", "restart", "kill"])
def test_every_end_is_noticed(ok: Callable[..., str], containers: Containers, command: str) -> None:
    record = quiet(ok, containers, "trap 'exit 5' TERM; echo up; while :; do sleep 0.02; done", "--name", "ends")
    ok(command, "ends")
    expected = {"stop": ("exited", 5), "kill": ("exited", 137), "restart": ("running", 0)}[command]
    assert (state(containers)["status"], state(containers)["exitCode"]) == expected
    assert state(containers)["monitor"] == record["state"]["monitor"]


def test_its_restart_policy_is_not_forgotten(ok: Callable[..., str], containers: Containers) -> None:
    record = quiet(ok, containers, "echo up; exec sleep 1000", "--name", "back", "--restart", "always")
    os.kill(record["state"]["pid"], signal.SIGKILL)
    eventually(lambda: state(containers)["status"] == "running" and state(containers)["pid"] != record["state"]["pid"])
    assert containers.records()[0]["restartCount"] == 1


def test_published_ports_stay_taken(ok: Callable[..., str], containers: Containers) -> None:
    container_id = ok("run", "-d", "-p", "80", "alpine", "sh", "-c", "echo up; exec sleep 1000").strip()
    monitor = containers.records()[0]["state"]["monitor"]
    eventually(lambda: is_small(monitor))
    port = int(ok("port", container_id, "80/tcp").splitlines()[0].rpartition(":")[2])
    with socket.socket() as taken, pytest.raises(OSError, match="in use"):
        taken.bind(("", port))
    ok("rm", "-f", container_id)
    with socket.socket() as free:
        free.bind(("", port))


def test_killed_when_it_is_small_it_takes_the_container_along(ok: Callable[..., str], containers: Containers) -> None:
    record = quiet(ok, containers, "echo up; exec sleep 1000", "--name", "orphan")
    os.kill(record["state"]["monitor"], signal.SIGKILL)
    eventually(lambda: not containers.processes())
    assert ok("wait", "orphan") == "137\n"


def test_a_terminal_survives_the_change(engine: Minidock, ok: Callable[..., str], containers: Containers) -> None:
    ok("run", "-d", "-i", "-t", "--name", "tty", "--network", "none", "alpine", "sh", "-c", "read x; echo $x")
    monitor = containers.records()[0]["state"]["monitor"]
    eventually(lambda: is_small(monitor))
    refused = engine("attach", "tty", input=b"go\n")  # no terminal here
    assert refused.stderr == b"minidock: the input device is not a TTY\n"
    assert is_small(monitor)
    ok("restart", "-t", "0", "tty")
    assert state(containers)["status"] == "running"


@pytest.mark.slow
def test_who_asks_for_a_name_wakes_it(engine: Minidock, ok: Callable[..., str], containers: Containers) -> None:
    ok("network", "create", "known")
    try:
        ok("run", "-d", "--name", "asks", "--network", "known", "alpine", "sleep", "1000")
        ok("run", "-d", "--name", "friend", "--network", "known", "alpine", "sleep", "1000")
        monitors = [record["state"]["monitor"] for record in containers.records()]
        eventually(lambda: all(map(is_small, monitors)), timeout=90)
        assert "1 packets received" in ok("exec", "asks", "ping", "-c", "1", "friend")
        assert "1 packets received" in ok("exec", "asks", "ping", "-c", "1", "friend")
        ok("stop", "-t", "0", "asks", "friend")
        assert {record["state"]["exitCode"] for record in containers.records()} == {137}
    finally:
        ok("rm", "-f", "asks", "friend")
        ok("network", "rm", "known")
