"""Commands whose own process is at a limit of memory, threads or open files: one line in words, and nothing is left."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.engine.containers import Containers, eventually
from tests.support.command import Minidock

RUN = ("run", "--rm", "--network", "none", "alpine", "true")
MEMORY = "out of memory: end something, or raise what limits it (ulimit -v, a cgroup's memory.max)"
THREADS = "no more threads can be started: end some, or raise what limits them (ulimit -u, a cgroup's pids.max)"
FILES = "Too many open files (this process's limit of open files: ulimit -n)"

pytestmark = pytest.mark.usefixtures("no_containers_afterwards")


def limited(engine: Minidock, limit: str, *words: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command after the shell's `ulimit`, whose sizes are in kB."""
    command = ["sh", "-c", f'{limit}; exec "$@"', "sh", *engine.program, *words]
    return subprocess.run(command, env=engine.environment, capture_output=True, stdin=subprocess.DEVNULL,
                          timeout=60, check=False)  # fmt: skip


@pytest.mark.parametrize("number", [6, 8, 10])
def test_too_few_open_files(engine: Minidock, number: int) -> None:
    done = limited(engine, f"ulimit -n {number}", *RUN)
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (125, b"", 1)
    assert done.stderr.decode().endswith(f"{FILES}\n")


def test_a_thread_for_which_there_is_no_room(engine: Minidock, tmp_path: Path) -> None:
    """Its stack alone is larger than what the process may have."""
    (tmp_path / "content.tar").write_bytes(bytes(10240))
    done = limited(engine, "ulimit -v 500000; ulimit -s 1000000", "import", str(tmp_path / "content.tar"), "no-room")
    assert (done.returncode, done.stdout, done.stderr.decode()) == (125, b"", f"minidock: {THREADS}\n")


@pytest.mark.parametrize("words", [("ps", "-a"), RUN])
def test_wherever_the_memory_ends_it_says_so_and_leaves_nothing(
    engine: Minidock, containers: Containers, words: tuple[str, ...]
) -> None:
    """From where Python itself begins, but finds no room for its modules, to where there is enough for all."""
    codes, reasons = [], set()
    for size in range(16_000, 80_000, 3_000):
        done = limited(engine, f"ulimit -v {size}", *words)
        if done.stderr.startswith((b"Traceback", b"Fatal Python error")) and b"cli/entry.py" not in done.stderr:
            continue  # it had not yet come to us
        codes.append(done.returncode)
        if done.returncode:
            lines = done.stderr.decode().splitlines()
            assert (done.returncode, done.stdout, len(lines)) == (125, b"", 1), (size, done)
            reasons.add(lines[0])
        elif codes[-2:] == [0, 0]:
            break
    assert codes[-1] == 0
    assert f"minidock: {MEMORY}" in reasons
    assert all("emory" in reason or THREADS in reason for reason in reasons)
    eventually(lambda: not containers.left())
