"""`--explain=step` at a terminal: what waits, what can be seen meanwhile, and that quitting unmakes everything."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from minidock.explain.trace import texts
from tests.engine.containers import Containers, eventually
from tests.engine.pty import Terminal
from tests.support.command import Minidock

PROMPT = r"do step (\d+) .*?unmake all: "
PAUSE = 1.0  # seconds: longer than any step takes
Step = Callable[..., Terminal]


@pytest.fixture
def step(engine: Minidock) -> Iterator[Step]:
    """`minidock run --rm --explain=step WORDS` at Open a pseudo-terminal."""
    opened: list[Terminal] = []

    def start(*words: str) -> Terminal:
        command = [*engine.program, "run", "--rm", "--network", "none", "--explain=step", *words]
        opened.append(Terminal(command, {**engine.environment, "LC_ALL": "C", "NO_COLOR": "1"}, columns=200))
        return opened[-1]

    yield start
    for terminal in opened:
        terminal.close()


def pid_in(text: str) -> int:
    """The pid that a heading names."""
    return int(re.findall(r"pid (\d+)", text)[-1])


def test_a_class_can_look_at_the_half_made_container(step: Step) -> None:
    terminal = step("-h", "inside", "alpine", "hostname")
    terminal.expect(PROMPT)
    terminal.type("s pivot_root\n")
    pid = pid_in(terminal.expect("Change the root with .*" + PROMPT))
    root = Path(f"/proc/{pid}/root")
    assert (root / "usr/bin/python3").exists() or (root / "etc/debian_version").exists(), "still the host's files"
    terminal.type("s host name\n")
    assert pid_in(terminal.expect("Set the host name.*" + PROMPT)) == pid
    assert (root / "etc/alpine-release").exists()
    assert not (root / "etc/debian_version").exists()
    assert os.readlink(f"/proc/{pid}/ns/uts") != os.readlink("/proc/self/ns/uts")
    terminal.type("\n")  # this one step
    terminal.expect('sethostname."inside", 6. = 0.*' + PROMPT)
    terminal.type("c\n")
    terminal.expect("\r\ninside\r\n")
    assert terminal.wait() == 0


def test_every_step_waits_until_the_program_has_the_terminal(step: Step) -> None:
    terminal = step("alpine", "sh")
    waited = 0
    while "Execute the program" not in terminal.expect(".*?" + PROMPT):
        waited += 1
        terminal.type("\n")
    assert waited > 20
    terminal.type("\n")
    eventually(lambda: terminal.is_raw)
    terminal.expect("does not return.*# ")
    terminal.type("echo typed-he''re; exit 7\n")
    terminal.expect("\r\ntyped-here\r\n")
    assert terminal.wait() == 7
    assert terminal.mode() == terminal.before


def test_the_time_of_a_step_is_not_the_teachers(step: Step) -> None:
    """Neither of the step that was waited for, nor of those around it, nor of who waits for a message meanwhile."""
    terminal = step("alpine", "true")
    terminal.expect(PROMPT)
    began = time.monotonic()
    for title in ("OCI bundle", "new namespaces", "pivot_root"):
        terminal.type(f"s {title}\n")
        terminal.expect(PROMPT)
        time.sleep(PAUSE)  # what is measured, or rather not
    terminal.type("c\n")
    assert terminal.wait() == 0
    assert time.monotonic() - began > 3 * PAUSE
    terminal.rest()
    times = [float(shown) for shown in re.findall(rb" ([\d.]+) ms\r", terminal.seen)]
    assert len(times) > 15
    assert max(times) < PAUSE * 1000


@pytest.mark.parametrize(
    ("title", "key"),
    [
        ("", "q\n"),
        ("OCI bundle", "\x03"),
        ("new namespaces", "q\n"),
        ("layers", "\x03"),
        ("pivot_root", "\x04"),
        ("Install the seccomp", "q\n"),
        ("Execute the program", "q\n"),
    ],
)
def test_quitting_leaves_nothing(step: Step, engine: Minidock, title: str, key: str) -> None:
    terminal = step("alpine", "true")
    terminal.expect(PROMPT)
    if title:
        terminal.type(f"s {title}\n")
        terminal.expect(PROMPT)
    terminal.type(key)
    assert terminal.wait() == 130
    terminal.rest()
    # Ctrl-C reaches the trace process and the command: either may report it.
    assert re.search(rb"everything is unmade|interrupted before the start", terminal.seen)
    assert Containers(engine).left() == []
    assert terminal.mode() == terminal.before


def test_what_is_mistyped_does_nothing(step: Step, engine: Minidock) -> None:
    terminal = step("alpine", "true")
    first = terminal.expect(PROMPT)
    terminal.type("quit\n")
    again = terminal.expect(PROMPT)
    assert re.findall(PROMPT, first) == re.findall(PROMPT, again)
    terminal.type("q\n")
    assert terminal.wait() == 130
    eventually(lambda: Containers(engine).left() == [])


@pytest.mark.parametrize("language", texts.LANGUAGES)
def test_the_question_fits_an_old_terminal(language: str) -> None:
    question = texts.load(language).labels["prompt"].format(number=100)
    assert len(f"     {question} ") < 80


def test_a_step_that_never_comes_is_said_at_the_end(step: Step) -> None:
    terminal = step("alpine", "true")
    terminal.expect(PROMPT)
    terminal.type("s Pause the container\n")
    terminal.expect("no step was called 'Pause the container'")
    assert terminal.wait() == 0


def test_a_step_that_no_command_has_is_asked_for_again(step: Step) -> None:
    terminal = step("alpine", "true")
    terminal.expect(PROMPT)
    terminal.type("s the spanish inquisition\n")
    terminal.expect("no step has 'the spanish inquisition' in its title.*" + PROMPT)
    terminal.type("q\n")
    assert terminal.wait() == 130


def test_what_is_skipped_or_unmade_is_told_in_brief(step: Step) -> None:
    terminal = step("alpine", "true")
    terminal.expect(PROMPT)
    terminal.type("s pivot_root\n")
    skipped = terminal.expect(".*" + PROMPT)
    assert skipped.count("\n") < 45
    assert "  code  " not in skipped.split("pivot_root")[0]
    terminal.type("q\n")
    assert terminal.wait() == 130
    assert terminal.rest().count(b"\n") < 24


def test_without_a_terminal_nothing_waits(engine: Minidock) -> None:
    command = ["setsid", *engine.program, "run", "--rm", "--network", "none", "--explain=step", "alpine", "hostname"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False,
                          env={**engine.environment, "LC_ALL": "C"})  # fmt: skip
    assert done.returncode == 0
    assert done.stderr.decode().startswith("there is no terminal to wait at")
