"""Many at once: no deadlock, no half record, no traceback, and nothing left."""

from __future__ import annotations

import json
import os
import random
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.engine.containers import QUIET, Containers, eventually
from tests.engine.test_life import no_containers_afterwards, ok
from tests.support.command import Minidock

__all__ = ["no_containers_afterwards", "ok"]

CHURN = int(os.environ.get("MINIDOCK_TEST_CHURN", "36"))
EXPECTED = (
    "No such container",
    "is not running",
    "is already in use by container",
    "stop the container before removing or force remove",
    "is paused and must be unpaused first",
    "cannot start a paused container",
    "is already paused",
    "is paused, unpause the container before exec",
    "is restarting, wait until the container is running",
)


def test_fifty_runs_at_once(engine: Minidock, containers: Containers) -> None:
    commands = [engine.start(*QUIET, "alpine", "sh", "-c", f"echo {n}; exit {n}",
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE) for n in range(50)]  # fmt: skip
    outputs = [command.communicate(timeout=200) for command in commands]
    assert [command.returncode for command in commands] == list(range(50))
    assert outputs == [(b"%d\n" % n, b"") for n in range(50)]
    eventually(lambda: not containers.left())


def test_rm_f_against_start(engine: Minidock, ok: Callable[..., str], containers: Containers) -> None:
    """Either the start comes first, and its container is removed, or there is nothing left to start."""
    for _ in range(8):
        ok("create", "--name", "both", "--network", "none", "alpine", "sleep", "1000")
        words = [("start", "both"), ("rm", "-f", "both")]
        random.shuffle(words)
        commands = [engine.start(*each, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for each in words]
        for each, command in zip(words, commands, strict=True):
            out, errors = command.communicate(timeout=60)
            assert command.returncode == 0 or each[0] == "start", (each, errors)
            assert errors.count(b"\n") == (command.returncode != 0), (each, errors)
            assert out in (b"", b"both\n")
        eventually(lambda: not containers.left())


def test_stop_restart_and_rm_of_the_same_at_once(
    engine: Minidock, ok: Callable[..., str], containers: Containers
) -> None:
    ok("run", "-d", "--name", "all", "--network", "none", "alpine", "sleep", "1000")
    words = [("stop", "-t", "0"), ("restart", "-t", "0"), ("kill",), ("pause",), ("unpause",), ("wait",), ("ps",)] * 3
    commands = [engine.start(*each, "all", stdout=subprocess.PIPE, stderr=subprocess.PIPE) if each[0] != "ps"
                else engine.start(*each, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for each in words]  # fmt: skip
    for each, command in zip(words, commands, strict=True):
        if each[0] == "wait":
            continue
        _, errors = command.communicate(timeout=60)
        assert b"Traceback" not in errors
        assert b"defect" not in errors
    ok("rm", "-f", "all")
    for command in commands:
        command.communicate(timeout=60)
    assert not containers.records()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_after_a_churn_nothing_is_left(engine: Minidock, containers: Containers) -> None:
    """Many containers come, live and go in every way, while somebody looks at all of them all the time."""
    over = threading.Event()
    wrong: list[object] = []

    def look() -> None:
        while not over.is_set():
            listed = engine("ps", "-a", "--no-trunc")
            if listed.returncode or listed.stderr:
                wrong.append(listed)
            over.wait(0.5)

    def live(number: int) -> None:
        name = f"churn-{number % (CHURN // 2)}"  # two want each name
        dice = random.Random(number)
        options = dice.choice([("--rm",), ("--restart", "on-failure:1"), ()])
        steps: list[tuple[str, ...]] = [
            ("run", "-d", "--name", name, "--network", "none", *options, "alpine", "sh", "-c",
             dice.choice(["exit 3", "sleep 1000", "echo x"])),
            *dice.sample([("stop", "-t", "0", name), ("restart", "-t", "0", name), ("kill", name), ("start", name),
                          ("rename", name, f"{name}-new"), ("rm", name), ("pause", name), ("diff", name),
                          ("exec", name, "true"), ("update", "--restart", "no", name), ("rm", "-f", name)], 2),
            ("rm", "-f", name, f"{name}-new"),
        ]  # fmt: skip
        for words in steps:
            done = engine(*words)
            unknown = [line for line in done.stderr.decode().splitlines() if not any(e in line for e in EXPECTED)]
            if unknown:
                wrong.append((words, unknown))

    before, _ = made_and_removed(engine)
    looking = threading.Thread(target=look)
    looking.start()
    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(live, range(CHURN)))
    finally:
        over.set()
        looking.join()
    assert wrong == []
    if left := engine("ps", "-a", "-q").stdout.decode().split():  # the other one of a name, made after its removal
        assert engine("rm", "-f", *left).returncode == 0
    eventually(lambda: not containers.left())
    made, removed = made_and_removed(engine)
    assert made - before - removed == set()


def made_and_removed(engine: Minidock) -> tuple[set[str], set[str]]:
    """The ids of all containers that the log of events tells to have come, and to have gone."""
    rows = [json.loads(line) for line in (engine.root / "events.log").read_text().splitlines()]
    made, removed = ({row["id"] for row in rows if row["action"] == action} for action in ("create", "destroy"))
    return made, removed
