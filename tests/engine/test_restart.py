"""Restart policies: who is started again, after how long, and who is not."""

from __future__ import annotations

import itertools
import json
import os
import signal
from collections.abc import Callable

import pytest

from tests.engine.containers import Containers, eventually
from tests.engine.test_life import background, no_containers_afterwards, ok, state
from tests.support.command import Minidock

__all__ = ["no_containers_afterwards", "ok"]

FAILS = "echo up; exit 3"


def starts(containers: Containers) -> list[int]:
    """When the containers were started, in nanoseconds."""
    rows = map(json.loads, (containers.directory.parent / "events.log").read_text().splitlines())
    ids = {record["id"] for record in containers.records()}
    return [row["timeNano"] for row in rows if row["action"] == "start" and row["id"] in ids]


def test_on_failure_starts_it_so_often_and_no_more(ok: Callable[..., str], containers: Containers) -> None:
    background(ok, containers, FAILS, "--name", "fails", "--restart", "on-failure:3")
    eventually(lambda: state(containers)["status"] == "exited")
    assert ok("logs", "fails") == "up\n" * 4
    assert containers.records()[0]["restartCount"] == 3
    pauses = [later - earlier for earlier, later in itertools.pairwise(starts(containers))]
    assert all(took >= least for took, least in zip(pauses, (0.1e9, 0.2e9, 0.4e9), strict=True)), pauses


def test_on_failure_leaves_success_alone(ok: Callable[..., str], containers: Containers) -> None:
    background(ok, containers, "echo up", "--name", "fine", "--restart", "on-failure")
    eventually(lambda: state(containers)["status"] == "exited")
    assert ok("logs", "fine") == "up\n"


@pytest.mark.parametrize("policy", ["always", "unless-stopped"])
def test_stop_ends_it_also_between_two_runs(ok: Callable[..., str], containers: Containers, policy: str) -> None:
    background(ok, containers, "echo up", "--name", "forever", "--restart", policy)
    eventually(lambda: state(containers)["status"] == "restarting")
    monitor = state(containers)["monitor"]
    ok("stop", "forever")
    assert state(containers)["status"] == "exited"
    eventually(lambda: not os.path.exists(f"/proc/{monitor}"))
    assert state(containers)["status"] == "exited"


def test_kill_is_a_stop_too(ok: Callable[..., str], containers: Containers) -> None:
    background(ok, containers, "echo up; exec sleep 1000", "--name", "forever", "--restart", "always")
    ok("kill", "forever")
    assert state(containers)["status"] == "exited"


def test_a_program_that_is_killed_otherwise_comes_back(ok: Callable[..., str], containers: Containers) -> None:
    before = background(ok, containers, "echo up; exec sleep 1000", "--restart", "always")["state"]["pid"]
    os.kill(before, signal.SIGKILL)
    eventually(lambda: state(containers)["status"] == "running" and state(containers)["pid"] != before)


@pytest.mark.parametrize("phase", ["running", "restarting"])
def test_rm_f_ends_it_at_any_time(ok: Callable[..., str], containers: Containers, phase: str) -> None:
    background(ok, containers, "echo up; sleep 0.1", "--name", "forever", "--restart", "always")
    eventually(lambda: state(containers)["status"] == phase)
    ok("rm", "-f", "forever")
    assert not containers.records()


def test_a_foreground_run_ends_with_the_first_end(
    engine: Minidock, ok: Callable[..., str], containers: Containers
) -> None:
    options = ("--network", "none", "--name", "twice", "--restart", "on-failure:1")
    done = engine("run", *options, "alpine", "sh", "-c", FAILS)
    assert (done.returncode, done.stdout) == (3, b"up\n")
    eventually(lambda: state(containers)["status"] == "exited")
    assert ok("logs", "twice") == "up\nup\n"


@pytest.mark.parametrize(
    ("flags", "error"),
    [
        (("--restart", "sometimes"), "invalid restart policy: unknown policy 'sometimes'"),
        (("--restart", "always:3"), "maximum retry count can only be used with 'on-failure'"),
        (("--restart", "on-failure:x"), "maximum retry count must be an integer"),
        (("--restart", "on-failure:-1"), "maximum retry count cannot be negative"),
        (("--rm", "--restart", "always"), "conflicting options: cannot specify both --restart and --rm"),
        (("-a", "stdwhat"), "valid streams are STDIN, STDOUT and STDERR"),
        (("--detach-keys", "ctrl-1"), "invalid detach keys (ctrl-1)"),
        (("--log-opt", "foo=bar"), "unknown log opt 'foo' for json-file log driver"),
    ],
)
def test_what_cannot_be_meant_is_refused(engine: Minidock, flags: tuple[str, ...], error: str) -> None:
    done = engine("run", *flags, "alpine", "true")
    assert (done.returncode, done.stdout) == (125, b"")
    assert error in done.stderr.decode()
