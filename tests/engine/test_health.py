"""Health checks: what is run inside, when, and what is said of it."""

from __future__ import annotations

import io
import json
import tarfile
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
    container_id = containers.records()[0]["id"]

    def told() -> list[str]:
        rows = map(json.loads, (containers.directory.parent / "events.log").read_text().splitlines())
        return [row["action"] for row in rows if row["id"] == container_id and "health" in row["action"]]

    eventually(lambda: told() == [f"health_status: {word}" for word in ("unhealthy", "healthy", "unhealthy")])


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
    assert health(containers)["Log"][0]["Output"].startswith("Health check exceeded timeout (100ms)")
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


def make_image(engine: Minidock, name: str, check: dict[str, Any]) -> None:
    """alpine with a Healthcheck in its config, as a docker archive."""
    source = io.BytesIO(engine("save", "alpine").stdout)
    with tarfile.open(fileobj=source) as tar:
        members = {member.name: tar.extractfile(member) for member in tar if member.isfile()}
    files = {member: file.read() for member, file in members.items() if file}
    (manifest,) = json.loads(files["manifest.json"])
    config = json.loads(files[manifest["Config"]])
    config["config"]["Healthcheck"] = check
    archive = {layer: files[layer] for layer in manifest["Layers"]} | {"config.json": json.dumps(config).encode()}
    manifest = {**manifest, "Config": "config.json", "RepoTags": [f"{name}:latest"]}
    archive["manifest.json"] = json.dumps([manifest]).encode()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, data in archive.items():
            info = tarfile.TarInfo(path)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    done = engine("load", input=buffer.getvalue())
    assert done.returncode == 0, done.stderr


def test_the_images_own_check(engine: Minidock, ok: Callable[..., str], containers: Containers) -> None:
    make_image(engine, "checking", {"Test": ["CMD", "sh", "-c", "exit 4"], "Interval": 50_000_000, "Retries": 1})
    ok("run", "-d", "--name", "own", "--network", "none", "checking", "sleep", "1000")
    eventually(lambda: health(containers)["Status"] == "unhealthy")
    assert health(containers)["Log"][0]["ExitCode"] == 4
    ok("rm", "-f", "own")
    ok("run", "-d", "--name", "none", "--network", "none", "--no-healthcheck", "checking", "sleep", "1000")
    assert "health" not in state(containers)
    ok("rm", "-f", "none")
    ok("rmi", "checking")


@pytest.mark.parametrize(
    ("flags", "error"),
    [
        (("--no-healthcheck", "--health-cmd", "true"), "--no-healthcheck conflicts with --health-* options"),
        (("--health-interval", "-1s"), "--health-interval cannot be negative"),
        (("--health-timeout", "10us"), "Timeout in Healthcheck cannot be less than 1ms"),
        (("--health-retries", "-1"), "--health-retries cannot be negative"),
        (("--health-start-period", "soon"), '"--health-start-period" flag: time: invalid duration "soon"'),
    ],
)
def test_what_cannot_be_meant_is_refused(engine: Minidock, flags: tuple[str, ...], error: str) -> None:
    done = engine("run", *flags, "alpine", "true")
    assert (done.returncode, done.stdout) == (125, b"")
    assert error in done.stderr.decode()
