"""The machine goes down and comes up: `system stop` and `system start`, and a unit for systemd that calls them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engine.containers import Containers, eventually
from tests.engine.test_life import no_containers_afterwards, ok
from tests.support.command import Minidock

__all__ = ["no_containers_afterwards", "ok"]

UNITS = sorted((Path(__file__).parents[2] / "minidock").glob("*.service"))
SLEEP = ("--network", "none", "--init", "alpine", "sleep", "1000")


def make_all(ok: Callable[..., str]) -> None:
    """One container of each kind."""
    for policy in ("always", "unless-stopped", "on-failure", "no"):
        ok("run", "-d", "--name", policy, "--restart", policy, *SLEEP)
    for policy in ("always", "unless-stopped"):
        ok("run", "-d", "--name", f"{policy}-ended", "--restart", policy, *SLEEP)
        ok("stop", f"{policy}-ended")
    ok("create", "--name", "new", "--restart", "always", *SLEEP)


def running(containers: Containers) -> set[str]:
    """The names of those that run."""
    return {record["name"] for record in containers.running()}


# docker's: `always` means it, even if a user had stopped it; what was never started is not.
WANTED = {"always", "always-ended", "unless-stopped", "on-failure"}


def test_stopped_by_the_system_they_come_back(ok: Callable[..., str], containers: Containers) -> None:
    make_all(ok)
    assert set(ok("system", "stop").split()) == {"always", "unless-stopped", "on-failure", "no"}
    assert not running(containers)
    assert set(ok("system", "start").split()) == WANTED
    assert running(containers) == WANTED
    assert ok("system", "start") == ""


def test_after_a_power_cut_they_come_back(ok: Callable[..., str], containers: Containers) -> None:
    make_all(ok)
    for record in containers.running():
        os.kill(record["state"]["monitor"], signal.SIGKILL)
    eventually(lambda: not containers.processes() and not containers.commands())
    for record in containers.records():
        record["state"]["boot"] = "the time before"
        (containers.directory / record["id"] / "container.json").write_text(json.dumps(record))
    assert set(ok("system", "start").split()) == WANTED
    assert running(containers) == WANTED


def test_one_that_cannot_be_started_does_not_keep_the_others(
    engine: Minidock, ok: Callable[..., str], containers: Containers, tmp_path: Path
) -> None:
    (tmp_path / "there").mkdir()
    ok("run", "-d", "--name", "bad", "--restart", "always", "-v", f"{tmp_path}/there:/there", *SLEEP)
    ok("run", "-d", "--name", "good", "--restart", "always", *SLEEP)
    ok("system", "stop")
    (tmp_path / "there").rmdir()
    (tmp_path / "there").write_text("a file, on which no directory is mounted")
    done = engine("system", "start")
    assert done.returncode == 0 or b"bad" not in done.stdout
    assert b"good\n" in done.stdout
    assert "good" in running(containers)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_understands_the_unit(engine: Minidock, tmp_path: Path, unit: Path) -> None:
    for each in unit.parent.iterdir():  # a service beside its socket
        if each.suffix in (".service", ".socket"):
            (tmp_path / each.name).write_text(each.read_text().replace("=minidock ", f"={engine.program[0]} "))
    done = subprocess.run(
        ["systemd-analyze", "verify", tmp_path / unit.name], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
