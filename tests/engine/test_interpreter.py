"""The Python that a container is made by: from inside it can be neither written nor run (CVE-2019-5736)."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.engine.containers import Containers, eventually
from tests.engine.test_exec import started
from tests.support.command import Minidock
from tests.support.machine import read
from tests.support.swapping import exchanging

LINK = "/proc/self/exe"  # in a process that is not yet the container's program: the runtime's Python


@pytest.fixture(scope="module")
def traps(engine: Minidock, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Programs that are, or begin with, the runtime's own: no look at them beforehand can tell for sure."""
    place = tmp_path_factory.mktemp("traps")
    (place / "link").symlink_to(LINK)
    (place / "script").write_text(f"#!{LINK} -c\nprint('taken')\n")
    busybox = engine("run", "--rm", "--network", "none", "alpine", "cat", "/bin/busybox").stdout
    start = busybox.index(b"/lib/ld-musl-")
    loader = busybox[start : busybox.index(b"\0", start)]
    (place / "loader").write_bytes(busybox.replace(loader, LINK.encode().ljust(len(loader), b"\0"), 1))
    for program in ("script", "loader"):
        (place / program).chmod(0o755)
    return place


@pytest.mark.parametrize("trap", ["link", "script", "loader"])
def test_it_is_not_run_inside(engine: Minidock, traps: Path, trap: str) -> None:
    done = engine("run", "--rm", "--network", "none", "-v", f"{traps}:/traps", "alpine", f"/traps/{trap}")
    assert (done.returncode, done.stdout) == (126, b"")
    assert done.stderr.decode() == f'minidock: exec: "/traps/{trap}": permission denied\n'


@pytest.mark.parametrize("trap", ["link", "script", "loader"])
def test_nor_by_who_comes_in_later(engine: Minidock, traps: Path, trap: str) -> None:
    with started(engine, "trapped", "-v", f"{traps}:/traps", "alpine", "sleep", "1000"):
        done = engine("exec", "trapped", f"/traps/{trap}")
    assert (done.returncode, done.stdout) == (126, b"")
    assert done.stderr.startswith(f'minidock: exec: "/traps/{trap}": '.encode())


def test_nor_whoever_exchanges_the_program(engine: Minidock, traps: Path, tmp_path: Path) -> None:
    """Between our look at the program and execve(2): either the container's own program runs, or nothing does."""
    shutil.copytree(traps, tmp_path / "traps", symlinks=True)
    program = tmp_path / "traps" / "program"
    program.write_text("#!/bin/echo said by\n")
    program.chmod(0o755)
    exec_, run = ("exec", "raced"), ("run", "--rm", "--network", "none", "--volumes-from", "raced", "alpine")
    with (
        started(engine, "raced", "-v", f"{program.parent}:/traps", "alpine", "sleep", "1000"),
        exchanging(program, program.with_name("link")),
    ):
        done = [engine(*words, "/traps/program") for words in (exec_, run) for _ in range(6)]
    assert {(one.returncode, one.stdout) for one in done} <= {(0, b"said by /traps/program\n"), (126, b"")}


def flags(pid: int) -> int:
    """Those of the mount that a process's program was executed from (statvfs(3))."""
    fd = os.open(f"/proc/{pid}/exe", os.O_PATH)
    try:
        return os.fstatvfs(fd).f_flag
    finally:
        os.close(fd)


def test_a_monitor_runs_from_there_all_its_life(engine: Minidock, containers: Containers) -> None:
    """Also after it has made itself small, and is one again: it may have to start the container anew."""
    with started(engine, "lasting", "alpine", "sleep", "1000"):
        (monitor,) = containers.commands()
        assert flags(monitor) & os.ST_RDONLY
        eventually(lambda: b"/idle." in read(f"/proc/{monitor}/cmdline"))
        assert flags(monitor) & os.ST_RDONLY
        with engine.start("attach", "lasting", stdin=subprocess.DEVNULL) as visitor:
            eventually(lambda: flags(monitor) & os.ST_NOEXEC)
            assert flags(monitor) & os.ST_RDONLY
            visitor.kill()


def test_what_the_caller_has_in_its_environment_is_not_in_the_monitor_s(
    engine: Minidock, containers: Containers
) -> None:
    words = ("run", "-d", "--network", "none", "--name", "unaware", "alpine", "sleep", "1000")
    done = engine(*words, env={"KEY": "secret"})
    assert done.returncode == 0
    (monitor,) = containers.commands()
    assert b"KEY=secret" not in read(f"/proc/{monitor}/environ")
    engine("rm", "-f", "unaware")
