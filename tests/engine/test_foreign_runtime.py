"""Containers of another OCI runtime (`--runtime PATH`): the course's last exercise, and programs that fail."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from minidock.course import course_stages
from tests.engine.containers import eventually
from tests.support.command import Minidock


@pytest.fixture
def mine(tmp_path: Path) -> Iterator[str]:
    """A student's runtime, by the Python that has prctl."""
    path = tmp_path / "mine.py"
    path.write_text(course_stages.find("last").solution.replace("#!/usr/bin/env python3", f"#!{sys.executable}"))
    path.chmod(0o755)
    return str(path)


def test_a_student_s_runtime_runs_containers(engine: Minidock, mine: str) -> None:
    script = "grep Seccomp: /proc/self/status; hostname; cat /etc/hostname; cat; exit 7"
    words = ("run", "--rm", "-i", "-h", "box", "--runtime", mine, "alpine", "sh", "-c", script)
    done = engine(*words, input=b"from outside\n")
    assert (done.returncode, done.stdout, done.stderr) == (7, b"Seccomp:\t2\nbox\nbox\nfrom outside\n", b"")


def test_it_has_its_network_and_is_inspected_entered_and_stopped(engine: Minidock, mine: str) -> None:
    script = "trap 'exit 5' TERM; while :; do sleep 0.1; done"
    assert engine("run", "-d", "--name", "own", "--runtime", mine, "alpine", "sh", "-c", script).returncode == 0
    assert engine("exec", "own", "ip", "-o", "-4", "addr", "show", "eth0").stdout.count(b"inet ") == 1
    (row,) = json.loads(engine("inspect", "own").stdout)
    assert row["HostConfig"]["Runtime"] == mine
    assert os.readlink(f"/proc/{row['State']['Pid']}/ns/net") != os.readlink("/proc/self/ns/net")
    assert engine("stop", "own").returncode == 0
    assert json.loads(engine("inspect", "own").stdout)[0]["State"]["ExitCode"] == 5
    assert engine("start", "own").returncode == 0
    assert engine("rm", "-f", "own").returncode == 0


def test_it_has_a_terminal(engine: Minidock, mine: str) -> None:
    done = engine("run", "--rm", "-t", "--network", "none", "--runtime", mine, "alpine", "sh", "-c", "tty; test -t 0")
    assert (done.returncode, done.stdout) == (0, b"/dev/pts/0\r\n")


def test_a_killed_monitor_leaves_nothing(engine: Minidock, mine: str) -> None:
    words = ("run", "-d", "--name", "own", "--network", "none", "--runtime", mine, "alpine", "sleep", "1000")
    assert engine(*words).returncode == 0
    (row,) = json.loads(engine("inspect", "own").stdout)
    parent = Path(f"/proc/{row['State']['Pid']}/status").read_text().split("\nPPid:\t")[1].split("\n")[0]
    os.kill(int(parent), signal.SIGKILL)
    assert eventually(lambda: b"Exited (137)" in engine("ps", "-a").stdout)
    assert engine("rm", "own").returncode == 0  # and the fixture looks for processes, mounts and cgroups


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo broken >&2; exit 3", "`create` ended with 3: broken"),
        ("exit 0", "has not written the pid of a process to its --pid-file"),
        ("exit 1", "`create` ended with 1: it has not said why"),
    ],
)
def test_one_that_fails_is_told_in_one_line(engine: Minidock, script: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "bad").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "bad").chmod(0o755)
    done = engine("run", "--rm", "--network", "none", "--runtime", str(tmp_path / "bad"), "alpine", "true")
    assert (done.returncode, len(done.stderr.splitlines())) == (125, 1), done.stderr
    assert said in done.stderr.decode()
    assert engine("ps", "-aq").stdout == b""


def test_what_is_not_in_the_image_is_127(engine: Minidock, mine: str) -> None:
    done = engine("run", "--rm", "--network", "none", "--runtime", mine, "alpine", "no-such-program")
    assert done.returncode == 127
    assert b"no-such-program" in done.stderr


@pytest.mark.parametrize("name", ["./no-such", "/etc/passwd", "/"])
def test_what_is_no_program_is_refused(engine: Minidock, name: str) -> None:
    done = engine("run", "--rm", "--runtime", name, "alpine", "true")
    assert done.returncode == 125
    assert b"unknown or invalid runtime name" in done.stderr
