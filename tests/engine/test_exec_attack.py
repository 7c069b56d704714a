"""`exec`, and `run --pid`, into a container where somebody waits for whoever comes in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.engine.containers import eventually
from tests.support.command import Minidock

SECRET = "what-only-the-host-s-root-knows"
TRACER = str(Path(__file__).with_name("tracer.py").resolve())
PYTHON = [os.path.realpath(sys.executable), "-I", "-S"]
CAUGHT = 4  # how many processes have to be caught on their way in for a test to say anything
HOLD = 0  # all that come, for ever
DEFAULT, TRACING = f"{0xA80425FB:016x}", f"{0xA80425FB | 1 << 19:016x}"  # docker's, and those and CAP_SYS_PTRACE


@contextmanager
def attacked(engine: Minidock, *options: str, caught: int, user: str = "0") -> Iterator[subprocess.Popen[bytes]]:
    """A container called `attacker`, in which the tracer is at work."""
    inside = f"exec chroot /host {' '.join(PYTHON)} {TRACER} {user} {SECRET[::-1]} {caught} 3</proc"
    words = ("--network", "none", "--name", "attacker", *options, "-v", "/:/host:ro", "alpine", "sh", "-c", inside)
    process = engine.start("run", "--rm", "-i", *words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        yield process
    finally:
        engine("rm", "-f", "attacker")
        process.communicate()


def found_by(process: subprocess.Popen[bytes]) -> list[dict[str, Any]]:
    """What the tracer found, which ends now."""
    assert process.stdin
    assert process.stdout
    process.stdin.close()
    process.stdin = None
    return [json.loads(line) for line in process.stdout]


EXEC = ("exec", "-u", "{}", "attacker", "true")
RUN = ("run", "--rm", "--network", "none", "--pid", "container:attacker", "-u", "{}", "alpine", "true")
WAYS_IN = pytest.mark.parametrize("words", [EXEC, RUN], ids=["exec", "run"])


@WAYS_IN
@pytest.mark.parametrize("user", ["0", "1000"])
def test_a_tracer_finds_nothing_of_the_host_in_who_comes_in(
    engine: Minidock, words: tuple[str, ...], user: str
) -> None:
    """CAP_SYS_PTRACE lets it look into everybody; there must be nothing to see, and no power to take."""
    with attacked(engine, "--cap-add", "SYS_PTRACE", caught=CAUGHT) as process:
        for _ in range(40):
            engine(*(word.format(user) for word in words), env={"SECRET": SECRET})
            if process.poll() is not None:
                break
        found = found_by(process)
    assert len(found) == CAUGHT
    allowed = TRACING if words == EXEC else DEFAULT
    for one in found:
        power = one.pop("caps"), one.pop("bounding")
        assert power == (allowed if user == "0" else "0" * 16, allowed)
        assert one == {"root": "the attacker's" if words == EXEC else "another", "words": "", "files": [],
                       "secret": False, "filter": "2", "exe": "read-only"}  # fmt: skip


@pytest.mark.parametrize("user", ["0", "1000"])
@WAYS_IN
def test_without_the_right_to_trace_nobody_is_caught(engine: Minidock, words: tuple[str, ...], user: str) -> None:
    """Not even by processes with the same user and powers, nor after the user was changed."""
    with attacked(engine, caught=1, user=user) as process:
        for _ in range(8):
            done = engine(*(word.format(user) for word in words), env={"SECRET": SECRET})
            assert done.returncode == 0, done
        assert found_by(process) == []


def test_a_tracer_cannot_keep_a_health_check_from_its_end(engine: Minidock) -> None:
    """It holds every check for ever, and never lets the parent know of its end: each counts as failed all the same."""
    words = ("--cap-add", "SYS_PTRACE", "--health-cmd", "true", "--health-interval", "50ms", "--health-timeout",
             "200ms", "--health-retries", "1")  # fmt: skip
    with attacked(engine, *words, caught=HOLD) as process:
        status = ("inspect", "--format", "{{.State.Health.Status}}", "attacker")
        eventually(lambda: engine(*status).stdout == b"unhealthy\n")
        done = engine("rm", "-f", "attacker")
        assert (done.returncode, done.stderr) == (0, b"")
        assert found_by(process)
