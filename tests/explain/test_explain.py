"""`--explain`: what is told, how, where, and that nothing of it is held or left."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.engine.containers import eventually
from tests.engine.pty import Terminal
from tests.support.command import Minidock
from tests.support.machine import open_files, read, waits

RUN = ("run", "--rm", "--network", "none")
FRENCH = {"LC_ALL": "", "LC_MESSAGES": "", "LANG": "fr_FR.UTF-8"}


def explained(engine: Minidock, *words: str, env: dict[str, str] | None = None) -> tuple[str, str]:
    """What a container's `hostname` and the explanation of its making say."""
    done = engine(*words, "alpine", "hostname", env={"LC_ALL": "C", **(env or {})})
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode(), done.stderr.decode()


def test_steps_are_numbered_and_say_why_and_where(engine: Minidock) -> None:
    out, told = explained(engine, *RUN, "--explain")
    blocks = re.split(r"\n(?= {1,2}\d+  )", told)
    numbers = [int(re.match(r" *(\d+)", block)[1]) for block in blocks]  # type: ignore[index]
    assert sorted(set(numbers)) == list(range(1, max(numbers) + 1))
    block = next(block for block in blocks if "Set the host name" in block)
    assert "the container's first process, pid " in block
    assert "In a UTS namespace of its own" in block
    assert "Introduction à Docker, 3.1 Namespaces (p. 24)" in block
    assert f'sethostname("{out.strip()}", 12) = 0' in block
    assert f"shell    hostname {out.strip()}" in block
    assert re.search(r"see      nsenter -t \d+ -u hostname", block)
    source = re.search(r"code     (minidock/\S+):(\d+)  [\d.]+ ms", block)
    assert source
    line = (Path(__file__).parents[2] / source[1]).read_text().splitlines()[int(source[2]) - 1]
    assert 'step("Set the host name"' in line
    assert "\x1b" not in told, "plain where it is no terminal"


def test_clone_is_told_with_its_flags_and_result(engine: Minidock) -> None:
    _, told = explained(engine, *RUN, "--explain")
    flags = r"CLONE_PIDFD\|CLONE_NEWNS\|CLONE_NEWUTS\|CLONE_NEWIPC\|CLONE_NEWPID\|CLONE_NEWNET\|CLONE_INTO_CGROUP"
    made = re.search(rf"clone3\({{flags={flags}, exit_signal=SIGCHLD, cgroup=\d+<\$G>}}\) = (\d+)", told)
    assert made
    assert f"lsns -p {made[1]}" in told
    assert "unshare --mount --uts --ipc --pid --net --fork" in told


def test_what_is_moved_by_its_directory_is_told_with_all_of_its_path(engine: Minidock) -> None:
    _, told = explained(engine, *RUN, "--explain")
    moves = re.findall(r"shell    mv (\S+) (\S+)$", told, re.MULTILINE)
    assert any(source.endswith("/rootfs") for source, _ in moves)
    assert all(path.startswith(("/", "$")) for move in moves for path in move)


@pytest.mark.parametrize("language", ["C", "fr_FR.UTF-8"])
def test_brief_is_one_short_line_a_step(engine: Minidock, language: str) -> None:
    """Of every step, also of one that others interrupt: a line that an old terminal need not break."""
    done = engine("run", "--rm", "--explain=brief", "alpine", "true", env={"LC_ALL": language, "COLUMNS": "200"})
    *lines, total = done.stderr.decode().splitlines()
    assert all(re.match(r" *\d+  .* \[.*\] \w+", line) for line in lines)
    assert [line for line in lines if len(line) > 80] == []
    assert [int(line.split()[0]) for line in lines] == list(range(1, len(lines) + 1))
    assert re.search(rf": \d+, \w+[ \xa0]?: {len(lines)}, ", total)


def test_a_step_that_goes_on_keeps_its_number(engine: Minidock) -> None:
    _, told = explained(engine, "run", "--rm", "--explain")
    headings = re.findall(r"^ *(\d+)  (.*?)(?: \(continued\))?  (.*), pid (\d+)$", told, re.MULTILINE)
    assert len(headings) > len({number for number, *_ in headings}), "some step was interrupted by one in it"
    titles: dict[str, set[tuple[str, str]]] = {}
    for number, title, _, pid in headings:
        titles.setdefault(number, set()).add((title, pid))
    assert all(len(those) == 1 for those in titles.values())


def test_a_style_without_its_sign_is_said(engine: Minidock) -> None:
    done = engine("run", "--rm", "--explain", "brief", "alpine", "true", env={"LC_ALL": "C"})
    assert done.returncode == 125
    assert "did you mean --explain=brief?" in done.stderr.decode().splitlines()[0]
    assert b"--explain[=STYLE[:FILE]]" in engine("run", "--help").stdout


@pytest.mark.parametrize("language", ["C", "fr_FR.UTF-8"])
def test_an_old_terminal_has_to_break_no_heading_and_no_call(engine: Minidock, language: str) -> None:
    """What is told fits 80 columns, but for commands and definitions, which are to be copied."""
    command = [*engine.program, *RUN, "--explain", "alpine", "true"]
    terminal = Terminal(command, {**engine.environment, "LC_ALL": language, "NO_COLOR": "1"}, columns=80)
    try:
        assert terminal.wait() == 0
        terminal.rest()
        lines = terminal.seen.decode().replace("\r", "").splitlines()
    finally:
        terminal.close()
    long = [line for line in lines if len(line) > 80 and not re.match(r" {5}(shell|see|voir|\w+=| {9})", line)]
    assert [line for line in long if re.search(r"[ |]\S", line[7:80].strip())] == []
    assert any(re.match(r" {11}\S", line) for line in lines), "some call was broken"


def test_french(engine: Minidock) -> None:
    _, told = explained(engine, *RUN, "--explain", env=FRENCH)
    assert "Définir le nom d'hôte  le premier processus du conteneur, pid " in told
    assert "changer le nom de la machine ne le change que pour ce conteneur." in told
    assert "voir     nsenter" in told


def test_json_is_one_object_a_line_in_the_order_of_what_happened(engine: Minidock) -> None:
    _, told = explained(engine, *RUN, "--explain=json")
    rows = [json.loads(line) for line in told.splitlines()]
    for pid in {row["pid"] for row in rows}:
        moments = [row["nanoseconds"] for row in rows if row["pid"] == pid and row.get("call") != "execve"]
        assert moments == sorted(moments)
    calls = [row for row in rows if row["event"] == "call"]
    assert all(row["text"] == f"{row['call']}({', '.join(row['arguments'])}) = {row['result']}" for row in calls)
    assert {row["process"] for row in calls} == {"command", "monitor", "container"}
    assert [row["text"] for row in calls if row["call"] == "execve" and row["process"] == "container"] == [
        'execve("/bin/hostname", ["hostname"], /* 3 vars */) = 0'
    ]


def test_failed_calls_are_told(engine: Minidock, tmp_path: Path) -> None:
    done = engine(*RUN, f"--explain=json:{tmp_path}/told", "alpine", "/etc/passwd")
    assert done.returncode == 126
    rows = [json.loads(line) for line in (tmp_path / "told").read_text().splitlines()]
    assert any(row.get("result") == "-1 ENOENT (No such file or directory)" for row in rows)


def test_it_goes_to_a_file_if_one_is_named(engine: Minidock, tmp_path: Path) -> None:
    _, told = explained(engine, *RUN, f"--explain=brief:{tmp_path}/told")
    assert told == ""
    assert "Set the host name" in (tmp_path / "told").read_text()


def test_a_word_of_the_containers_is_none_of_ours(engine: Minidock) -> None:
    done = engine(*RUN, "alpine", "echo", "--explain=step", "--explain")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"--explain=step --explain\n", b"")
    done = engine("run", "--rm", "--name", "x1", "--network", "none", "-e", "A=--explain", "alpine", "printenv", "A")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"--explain\n", b"")


@pytest.mark.parametrize("style", ["loud", "json5", ":"])
def test_an_unknown_style_is_refused(engine: Minidock, style: str) -> None:
    done = engine(*RUN, f"--explain={style}", "alpine", "true")
    assert done.returncode == 125
    assert done.stderr.decode().startswith(f"minidock: invalid argument '{style.strip(':')}' for '--explain'")


def test_commands_that_make_nothing_have_no_such_flag(engine: Minidock) -> None:
    done = engine("ps", "--explain")
    assert (done.returncode, b"unknown flag: --explain" in done.stderr) == (125, True)
    assert b"--explain" in engine("run", "--help").stdout
    assert b"--explain" in engine("network", "create", "--help").stdout


def test_output_ends_with_the_command(engine: Minidock) -> None:
    """A reader of the container's output does not wait for the trace process."""
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with engine.start(*RUN, "--explain", "alpine", "true", **streams) as process:
        assert process.communicate(timeout=30)[0] == b""
        assert process.returncode == 0


def test_a_reader_who_has_seen_enough_does_not_hurt_the_container(engine: Minidock) -> None:
    reader, writer = os.pipe()
    with engine.start(*RUN, "--explain", "alpine", "hostname", stdout=subprocess.PIPE, stderr=writer) as process:
        os.close(writer)
        os.read(reader, 100)
        os.close(reader)
        assert re.fullmatch(rb"[0-9a-f]{12}\n", process.communicate(timeout=30)[0])
        assert process.returncode == 0


def test_a_detached_containers_monitor_keeps_nothing(engine: Minidock) -> None:
    kinds = {}
    for name, flags in (("plain", ()), ("told", ("--explain",))):
        done = engine("run", "-d", "--name", name, "--network", "none", *flags, "alpine", "sleep", "100")
        assert done.returncode == 0
        try:
            record = json.loads(engine("inspect", name).stdout)[0]
            monitor = int(Path(f"/proc/{record['State']['Pid']}/status").read_text().split("PPid:\t")[1].split()[0])
            eventually(lambda monitor=monitor: b"/idle." in read(f"/proc/{monitor}/cmdline"))  # type: ignore[misc]
            kinds[name] = eventually(lambda monitor=monitor: waits(monitor) and sorted(map(kind, open_files(monitor))))  # type: ignore[misc]
        finally:
            engine("rm", "-f", name)
    assert kinds["told"] == kinds["plain"]


def kind(link: str) -> str:
    """What a descriptor is open on, without what differs from container to container."""
    return re.sub(r"[0-9a-f]{12,}|\d+", "N", link)
