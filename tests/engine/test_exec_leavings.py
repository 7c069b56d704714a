"""What `exec` needs, and what it leaves: nothing in the container's directory, and nothing at all when it is over."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.containers import Containers, eventually
from tests.engine.test_exec import started
from tests.support.command import Minidock


def known(engine: Minidock) -> list[str]:
    """The ids of processes of `exec` that files are there for."""
    return [path.name for path in (engine.run / "execs").glob("*/*")]


@pytest.mark.parametrize("words", [("leaving", "nosuchcmd"), ("-u", "nobody-there", "leaving", "true"),
                                   ("-w", "/no", "leaving", "true"), ("leaving", "/etc/passwd"), ("leaving", "true")],
                         ids=["no program", "no user", "no directory", "not executable", "ended"])  # fmt: skip
def test_nothing_is_left_of_one_that_is_over(engine: Minidock, words: tuple[str, ...]) -> None:
    with started(engine, "leaving", "alpine", "sleep", "1000"):
        engine("exec", *words)
        assert known(engine) == []


def test_nothing_is_left_of_one_whose_keeper_was_killed(engine: Minidock, containers: Containers) -> None:
    with started(engine, "leaving", "alpine", "sleep", "1000"):
        monitors = set(containers.commands())
        engine("exec", "-d", "leaving", "sleep", "1000")
        (exec_monitor,) = set(containers.commands()) - monitors
        (killed,) = known(engine)
        os.kill(exec_monitor, 9)
        eventually(lambda: set(containers.commands()) == monitors)
        assert engine("exec", "leaving", "true").returncode == 0
        assert known(engine) == []
        engine("exec", "-d", "leaving", "sleep", "1000")
        (exec_monitor,) = set(containers.commands()) - monitors
        os.kill(exec_monitor, 9)
        eventually(lambda: set(containers.commands()) == monitors)
        assert known(engine) not in ([], [killed])
    assert known(engine) == []


@pytest.fixture
def full(engine: Minidock, tmp_path: Path) -> Iterator[Minidock]:
    """A root on a file system of its own, with a container `full` that runs, and not one byte free."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "full", tmp_path], check=True)
    small = Minidock(tmp_path, engine.run)
    try:
        small("load", input=engine("save", "alpine").stdout)
        done = small("run", "-d", "--network", "none", "--name", "full", "alpine", "sleep", "1000")
        assert done.returncode == 0, done.stderr
        subprocess.run(["dd", "if=/dev/zero", f"of={tmp_path}/rest", "bs=4k"], capture_output=True, check=False)
        assert os.statvfs(tmp_path).f_bfree == 0
        yield small
        small("rm", "-f", "full")
    finally:
        subprocess.run(["umount", "-l", tmp_path], check=True)


def test_a_full_disk_keeps_nobody_out(full: Minidock) -> None:
    done = full("exec", "full", "sh", "-c", "echo in; exit 3")
    assert (done.returncode, done.stdout, done.stderr) == (3, b"in\n", b"")
    done = full("exec", "full", "nosuch")
    assert (done.returncode, done.stderr.count(b"\n")) == (126, 1)
