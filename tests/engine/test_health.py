"""Health checks: what is run inside, when, and what is said of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.engine.containers import Containers, eventually
from tests.engine.test_life import no_containers_afterwards, ok, state
from tests.support.command import Minidock

__all__ = ["no_containers_afterwards", "ok"]

QUICK = ("--health-interval", "50ms", "--health-retries", "2")


def health(containers: Containers) -> dict[str, Any]:
    """docker's State.Health of the only container."""
    found: dict[str, Any] = state(containers)["health"]
    return found


def start(ok: Callable[..., str], command: str, *options: str) -> None:
    """A container whose health is checked by `command`."""
    words = ("--network", "none", "--health-cmd", command, *options)
    ok("run", "-d", "--name", "checked", *words, "alpine", "sleep", "1000")


def test_it_becomes_healthy_and_unhealthy_and_healthy_again(ok: Callable[..., str], containers: Containers) -> None:
    start(ok, "test -e /good || { echo bad; exit 3; }", *QUICK)
    eventually(lambda: health(containers)["Status"] == "unhealthy")
    assert "(unhealthy)" in ok("ps")
    result = health(containers)["Log"][-1]
    assert (result["ExitCode"], result["Output"]) == (3, "bad\n")
    ok("exec", "checked", "touch", "/good")
    eventually(lambda: health(containers)["Status"] == "healthy")
    assert "(healthy)" in ok("ps")
    assert health(containers)["FailingStreak"] == 0
    ok("exec", "checked", "rm", "/good")
    eventually(lambda: health(containers)["Status"] == "unhealthy")
    rows = map(json.loads, (containers.directory.parent / "events.log").read_text().splitlines())
    told = [row["action"] for row in rows if row["attributes"].get("name") == "checked" and "health" in row["action"]]
    assert told == ["health_status: unhealthy", "health_status: healthy", "health_status: unhealthy"]


def test_the_last_five_results_are_kept(ok: Callable[..., str], containers: Containers) -> None:
    start(ok, "true", *QUICK)
    eventually(lambda: len(health(containers)["Log"]) == 5)
    first = health(containers)["Log"][0]["Start"]
    eventually(lambda: health(containers)["Log"][0]["Start"] > first)
    assert len(health(containers)["Log"]) == 5


def test_a_check_that_takes_too_long_is_killed(ok: Callable[..., str], containers: Containers) -> None:
    start(ok, "echo slow; sleep 1000", "--health-timeout", "100ms", *QUICK)
    eventually(lambda: health(containers)["Status"] == "unhealthy")
    assert health(containers)["Log"][0]["ExitCode"] == -1
    assert "exceeded timeout" in health(containers)["Log"][0]["Output"]
    eventually(lambda: len(containers.processes()) <= 3)  # its own, and at most one check


def test_failures_at_first_do_not_count(ok: Callable[..., str], containers: Containers) -> None:
    start(ok, "exit 1", "--health-start-period", "1000s", "--health-start-interval", "50ms", *QUICK)
    eventually(lambda: len(health(containers)["Log"]) == 5)
    assert (health(containers)["Status"], health(containers)["FailingStreak"]) == ("starting", 0)


def test_nothing_is_checked_while_it_is_paused(ok: Callable[..., str], containers: Containers) -> None:
    start(ok, "true", *QUICK)
    eventually(lambda: health(containers)["Status"] == "healthy")
    ok("pause", "checked")
    ok("unpause", "checked")
    before = health(containers)["Log"][-1]["Start"]
    eventually(lambda: health(containers)["Log"][-1]["Start"] > before)
    assert health(containers)["Status"] == "healthy"
    ok("stop", "-t", "0", "checked")
    assert health(containers)["Status"] == "unhealthy"  # as in docker: who ended is not healthy


def test_the_images_own_check(engine: Minidock, ok: Callable[..., str], containers: Containers) -> None:
    ok("run", "--name", "base", "--network", "none", "alpine", "true")
    ok("commit", "-c", "HEALTHCHECK --interval=50ms --retries=1 CMD exit 4", "base", "checking")
    ok("rm", "base")
    ok("run", "-d", "--network", "none", "checking", "sleep", "1000")
    eventually(lambda: health(containers)["Status"] == "unhealthy")
    assert health(containers)["Log"][0]["ExitCode"] == 4
    ok("rm", "-f", containers.records()[0]["name"])
    ok("run", "-d", "--network", "none", "--no-healthcheck", "checking", "sleep", "1000")
    assert "health" not in state(containers)
    ok("rm", "-f", containers.records()[0]["name"])
    ok("rmi", "checking")


@pytest.mark.parametrize(
    ("flags", "error"),
    [
        (("--no-healthcheck", "--health-cmd", "true"), "--no-healthcheck conflicts with --health-* options"),
        (("--health-interval", "-1s"), "--health-interval cannot be negative"),
        (("--health-timeout", "10us"), "Timeout in Healthcheck cannot be less than 1ms"),
        (("--health-retries", "-1"), "--health-retries cannot be negative"),
        (("--health-start-period", "soon"), "invalid argument 'soon' for '--health-start-period'"),
    ],
)
def test_what_cannot_be_meant_is_refused(engine: Minidock, flags: tuple[str, ...], error: str) -> None:
    done = engine("run", *flags, "alpine", "true")
    assert (done.returncode, done.stdout) == (125, b"")
    assert error in done.stderr.decode()
