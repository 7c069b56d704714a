"""The order in which it is told: the same however the processes are run, and never an effect before its cause."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.pty import Terminal
from tests.explain.test_stepping import PROMPT
from tests.support.command import Minidock

TIMES = 3
LIFE = {
    "run": ["run", "--rm", "EXPLAIN", "alpine", "true"],
    "run -d": ["run", "-d", "--name", "ordered", "EXPLAIN", "alpine", "sleep", "1000"],
    "exec": ["exec", "EXPLAIN", "ordered", "true"],
    "rm -f": ["rm", "-f", "EXPLAIN", "ordered"],
}


@pytest.fixture
def busy() -> Iterator[None]:
    """As many programs at work as there are processors: who runs first is chance."""
    words = [sys.executable, "-c", "while True: pass"]
    loads = [subprocess.Popen(words) for _ in range(len(os.sched_getaffinity(0)))]
    yield
    for load in loads:
        load.kill()
        load.wait()


def titles(engine: Minidock, words: list[str], file: Path) -> list[str]:
    """The numbers and titles of the steps, and whose they are."""
    done = engine(*(f"--explain=brief:{file}" if word == "EXPLAIN" else word for word in words))
    assert done.returncode == 0, done.stderr.decode()
    return re.findall(r"^ *\d+  .*?\[.*?\]", file.read_text(), re.MULTILINE)


def test_steps_have_the_same_numbers_in_every_run(engine: Minidock, tmp_path: Path, busy: None) -> None:
    told: dict[str, list[list[str]]] = {}
    for _ in range(TIMES):
        for name, words in LIFE.items():
            told.setdefault(name, []).append(titles(engine, words, tmp_path / "told"))
    for name, runs in told.items():
        assert len(runs[0]) > 3, name
        assert all(run == runs[0] for run in runs), name


def test_no_process_tells_before_it_is_made(engine: Minidock, tmp_path: Path, busy: None) -> None:
    file = tmp_path / "told"
    for options in (["-t", "--network", "none"], []):
        assert engine("run", "--rm", *options, f"--explain=json:{file}", "alpine", "true").returncode == 0
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        known = {rows[0]["pid"]}
        for row in rows:
            assert row["pid"] in known, row
            if row.get("call") in ("clone", "clone3", "vfork"):
                known.add(int(row["result"]))
        assert len(known) > 3


def test_the_program_is_told_after_all_that_led_to_it(engine: Minidock) -> None:
    """What a program writes to the terminal follows what was told of its making, and nothing of it comes later."""
    done = engine("run", "--rm", "--explain", "alpine", "sh", "-c", "echo HERE >&2")
    assert done.returncode == 0
    before, _, after = done.stderr.decode().partition("HERE\n")
    assert "does not return" in before
    assert "RTM_NEWLINK" in before
    assert "clone3(" not in after
    assert "pivot_root(" not in after


def test_while_stepping_the_clone_comes_first(engine: Minidock, busy: None) -> None:
    command = [*engine.program, "run", "--rm", "--explain=step", "alpine", "true"]
    terminal = Terminal(command, {**engine.environment, "LC_ALL": "C", "NO_COLOR": "1"}, columns=200)
    try:
        terminal.expect(PROMPT)
        terminal.type("c\n")
        assert terminal.wait() == 0
        terminal.rest()
        text = terminal.seen.decode()
        first = text.index("the container's first process, pid")
        assert 0 < text.index("clone3({") < first
    finally:
        terminal.close()
