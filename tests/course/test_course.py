"""The course's commands, and its checks: right programs in several styles pass, and each kind of wrong one is told."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from minidock.course import course_stages
from tests.course.styles import STYLES
from tests.course.wrong import WRONG, WRONG_LIMITS, Wrong
from tests.support.command import Minidock

NUMBERS = [stage.number for stage in course_stages.STAGES]


def check(engine: Minidock, stage: str, path: Path, text: str) -> subprocess.CompletedProcess[bytes]:
    """`course check` of a program with this text."""
    path.write_text(text)
    return engine("course", "check", stage, str(path), timeout=280)


def test_the_list_names_all_stages(engine: Minidock) -> None:
    rows = engine("course", "list").stdout.decode().splitlines()
    assert [row.split()[0] for row in rows[1 : len(NUMBERS) + 1]] == NUMBERS


@pytest.mark.parametrize("number", NUMBERS)
def test_a_stage_is_shown_started_and_not_yet_done(
    engine: Minidock, number: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert engine("course", "show", number).stdout.startswith(b"# ")
    started = engine("course", "start", number)
    assert started.returncode == 0, started.stderr
    (script,) = tmp_path.glob("*.py")
    compile(script.read_text(), script.name, "exec")
    assert (tmp_path / "rootfs/bin/busybox").exists() == course_stages.find(number).needs_rootfs
    assert engine("course", "start", number).returncode == 1  # never over what a student has written
    done = engine("course", "check", number, str(script), timeout=280)
    holes = course_stages.find(number).holes
    still_open = re.fullmatch(rb"missing: hole \d is still open: .*\n", done.stderr)
    assert (done.returncode, bool(still_open)) == ((1, True) if holes else (0, False)), done.stderr


@pytest.mark.parametrize("number", NUMBERS)
def test_the_solution_passes(engine: Minidock, number: str, tmp_path: Path) -> None:
    done = check(engine, number, tmp_path / "mine.py", course_stages.find(number).solution)
    assert (done.returncode, done.stderr) == (0, b""), done.stdout
    assert f"stage {number} is done".encode() in done.stdout


@pytest.mark.parametrize("style", STYLES, ids=lambda style: f"{style.stage}-{style.name}")
def test_other_ways_pass_too(engine: Minidock, style: Wrong, tmp_path: Path) -> None:
    done = check(engine, style.stage, tmp_path / "mine.py", style.new)
    assert (done.returncode, done.stderr) == (0, b""), done.stdout


def told(engine: Minidock, wrong: Wrong, path: Path) -> None:
    solution = course_stages.find(wrong.stage).solution
    assert wrong.old in solution
    done = check(engine, wrong.stage, path, solution.replace(wrong.old, wrong.new))
    lines = done.stderr.decode().splitlines()
    assert done.returncode == 1, done.stdout
    assert len(lines) == 1, lines
    assert lines[0].startswith("missing: ")
    assert wrong.said in lines[0], lines[0]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: f"{wrong.stage}-{wrong.name}")
def test_what_is_missing_is_told_in_one_line(engine: Minidock, wrong: Wrong, tmp_path: Path) -> None:
    told(engine, wrong, tmp_path / "mine.py")


@pytest.mark.cgroup
@pytest.mark.parametrize("wrong", WRONG_LIMITS, ids=lambda wrong: f"{wrong.stage}-{wrong.name}")
def test_a_missing_limit_is_told(engine: Minidock, wrong: Wrong, tmp_path: Path) -> None:
    told(engine, wrong, tmp_path / "mine.py")


@pytest.mark.cgroup
def test_limits_are_checked_where_the_kernel_has_them(engine: Minidock, tmp_path: Path) -> None:
    done = check(engine, "6", tmp_path / "mine.py", course_stages.find("6").solution)
    assert (done.returncode, done.stderr) == (0, b""), done.stdout
    assert b"the kernel kills" in done.stdout
    assert b"skip" not in done.stdout


HARMFUL = """
import os, subprocess, signal
if os.fork() == 0:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True: signal.pause()
subprocess.run(["mount", "-t", "proc", "proc", "/proc"])
subprocess.run(["mount", "-t", "tmpfs", "none", "/etc"])
subprocess.run(["ip", "link", "set", "lo", "down"])
subprocess.run(["rm", "-rf", "/home", "{precious}"])
for word in ("hostname gone", "umount -l /usr"):
    subprocess.run(word.split())
os.kill(-1, signal.SIGKILL)
"""


@pytest.mark.parametrize("stage", ["1", "3", "9"])
def test_a_program_that_breaks_things_breaks_nothing(engine: Minidock, stage: str, tmp_path: Path) -> None:
    """What else it could have changed, the fixture that compares the machine before and after sees."""
    precious = Path(__file__)
    before, name = Path("/proc/self/mountinfo").read_text(), os.uname().nodename
    done = check(engine, stage, tmp_path / "mine.py", HARMFUL.format(precious=precious))
    assert done.returncode == 1, done.stdout
    assert done.stderr.startswith(b"missing: "), done.stderr
    assert (Path("/proc/self/mountinfo").read_text(), os.uname().nodename, precious.exists()) == (before, name, True)


def test_a_program_without_an_end_is_ended(engine: Minidock, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("while True: pass\n")
    done = engine("course", "check", "--seconds", "1", "1", str(path))
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert re.match(rb"missing: .* (not ended|nothing came)", done.stderr), done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("check", "11"), b"there is no stage 11"),
        (("check", "1", "no-such.py"), b"there is no program no-such.py"),
        (("show", "0"), b"there is no stage 0"),
    ],
)
def test_refusals(engine: Minidock, words: tuple[str, ...], said: bytes) -> None:
    done = engine("course", *words)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
    assert said in done.stderr


def test_each_stage_keeps_what_the_one_before_has_made() -> None:
    """The functions of a stage are in the next: what becomes another thing has another name there."""
    known: set[str] = set()
    for stage in course_stages.STAGES[:-1]:
        names = set(re.findall(r"^def (\w+)", stage.solution, re.MULTILINE))
        assert known <= names, stage.number
        known = names
