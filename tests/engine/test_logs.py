"""`minidock logs`: of containers that run, have ended, have said nothing; and while their logs are rotated."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.engine.containers import Containers, eventually, followers
from tests.support.command import Minidock

Ok = Callable[..., str]
# Waits until a file is there: time for a test to look on from the beginning.
WAITING = "until [ -e /go ]; do sleep 0.01; done; "
NANOSECONDS = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z"


pytestmark = pytest.mark.usefixtures("no_containers_afterwards")


@pytest.fixture
def said(engine: Minidock) -> Callable[..., str]:
    """A container that has printed something and ended: its name."""

    def said(script: str, *options: str) -> str:
        done = engine("run", "--name", "said", "--network", "none", *options, "alpine", "sh", "-c", script)
        assert done.returncode == 0, done
        return "said"

    return said


def background(ok: Ok, script: str, *options: str) -> str:
    network = () if "--network" in options else ("--network", "none")
    return ok("run", "-d", *network, *options, "alpine", "sh", "-c", script).strip()


def go(containers: Containers, container_id: str) -> None:
    """Let a container go on that waits for the file /go: through its root, as the kernel has it."""
    record = next(record for record in containers.records() if record["id"] == container_id)
    Path(f"/proc/{record['state']['pid']}/root/go").touch()


def test_each_stream_goes_where_it_belongs(engine: Minidock, said: Callable[..., str]) -> None:
    done = engine("logs", said("echo out; echo err >&2; printf end"))
    assert (done.returncode, done.stdout, done.stderr) == (0, b"out\nend", b"err\n")


def test_a_terminal_has_one_stream(engine: Minidock, said: Callable[..., str]) -> None:
    done = engine("logs", said("echo out; echo err >&2", "-t"))
    assert (done.stdout, done.stderr) == (b"out\r\nerr\r\n", b"")


def test_bytes_come_back_as_text(engine: Minidock, said: Callable[..., str]) -> None:
    assert engine("logs", said(r"printf 'caf\303\251 \377 \033[1m\t\n'")).stdout == "café \ufffd \x1b[1m\t\n".encode()


def test_tail(ok: Ok, said: Callable[..., str]) -> None:
    name = said("seq 4")
    for tail, expected in (("all", "1234"), ("0", ""), ("9", "1234"), ("-1", "1234"), ("some", "1234")):
        assert ok("logs", "--tail", tail, name).replace("\n", "") == expected, tail
    for words in (("--tail=2",), ("-n", "2"), ("-n=2",), ("-n2",)):
        assert ok("logs", *words, name) == "3\n4\n", words


def test_timestamps_and_details(ok: Ok, said: Callable[..., str]) -> None:
    options = ["--log-opt", "labels=b,a", "--log-opt", "env=E", "-l", "a=1", "-l", "b=x,y", "-l", "c=3", "-e", "E=f g"]
    name = said("echo one; printf two", *options)
    assert ok("logs", "--details", name) == "E=f+g,a=1,b=x%2Cy one\nE=f+g,a=1,b=x%2Cy two"
    assert re.fullmatch(f"{NANOSECONDS} one\n{NANOSECONDS} two", ok("logs", "-t", name))
    tag = "tag={{.Name}}/{{ .ImageName }}"
    ok("run", "--name", "tagged", "--network", "none", "--log-opt", tag, "alpine", "echo", "x")
    assert ok("logs", "--details", "tagged") == "tag=tagged%2Falpine x\n"
    assert re.fullmatch(f"{NANOSECONDS} E=f\\+g,a=1,b=x%2Cy two", ok("logs", "-t", "--details", "-n", "1", name))


def _end_in_a_zero(path: str) -> None:
    """Have the second line's time end in a zero, which is left out on record, as every tenth time has one."""
    file = Path(path)
    lines = file.read_text().splitlines(keepends=True)
    record = json.loads(lines[1])
    record["time"] = f"{record['time'][:-1].ljust(29, '0')[:28]}Z"
    lines[1] = json.dumps(record, separators=(",", ":")) + "\n"
    file.write_text("".join(lines))


def test_since_and_until(ok: Ok, containers: Containers) -> None:
    # Each line is on record before the next one is said: their times differ, however slow the machine is.
    name = background(ok, f"echo one; {WAITING}rm /go; echo two; {WAITING}echo three")
    for line in ("one\n", "two\n"):
        eventually(lambda line=line: ok("logs", name).endswith(line))
        go(containers, name)
    assert ok("wait", name) == "0\n"
    moments = [line.split()[0] for line in ok("logs", "-t", name).splitlines()]
    _end_in_a_zero(ok("inspect", "-f", "{{.LogPath}}", name).strip())
    moments[1] = moments[1][:-2] + "0Z"
    assert ok("logs", "--since", moments[1], name) == "two\nthree\n"
    assert ok("logs", "--until", moments[1], name) == "one\ntwo\n"
    assert ok("logs", "--since", moments[1], "--until", moments[1], name) == "two\n"
    assert ok("logs", "--since", moments[1].replace("Z", "+00:00"), name) == "two\nthree\n"
    assert ok("logs", "--since", "1h", name) == "one\ntwo\nthree\n"
    assert ok("logs", "--until", "1h30m", name) == ""
    assert ok("logs", "--since", str(int(time.time()) + 10), name) == ""
    assert ok("logs", "--since", "2020-01-01", "--until", "2020-01-02T03:04", name) == ""
    assert ok("logs", "-n", "2", "--until", moments[1], name) == "two\n"


BAD_TIMES = [
    ("since", "foo", 'failed to parse value as time or duration: "foo"'),
    ("until", "2026-13-01", 'parsing time "2026-13-01": month out of range'),
    ("since", "2026-02-30T00:00:00Z", 'parsing time "2026-02-30T00:00:00Z": day out of range'),
    ("since", "1h3x", 'failed to parse value as time or duration: "1h3x"'),
]


def test_bad_times(engine: Minidock, said: Callable[..., str]) -> None:
    name = said("true")
    for flag, value, why in BAD_TIMES:
        done = engine("logs", f"--{flag}", value, name)
        assert (done.returncode, done.stderr.decode()) == (1, f'minidock: invalid value for "{flag}": {why}\n')


def test_what_has_no_log(engine: Minidock, said: Callable[..., str], ok: Ok) -> None:
    done = engine("logs", "nosuch")
    assert (done.returncode, done.stderr) == (1, b"minidock: No such container: nosuch\n")
    done = engine("logs", said("echo x", "--log-driver", "none"))
    assert (done.returncode, done.stderr) == (1, b"minidock: configured logging driver does not support reading\n")
    ok("create", "--name", "new", "alpine")
    assert ok("logs", "new") == ok("logs", "-f", "new") == ""
    assert engine("logs").returncode == 1


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--log-driver", "nosuch"], 'error looking up logging plugin nosuch: plugin "nosuch" not found'),
        (["--log-driver", "none", "--log-opt", "max-size=1k"], "invalid logging opts for driver none"),
        (["--log-opt", "nosuch=1"], "unknown log opt 'nosuch' for json-file log driver"),
        (["--log-opt", "max-size=x"], "invalid size: 'x'"),
        (["--log-opt", "max-size=0"], "max-size must be a positive number"),
        (["--log-opt", "max-size=1k", "--log-opt", "max-file=0"], "max-file cannot be less than 1"),
        (["--log-opt", "mode=quick"], "logging mode not supported: quick"),
        (["--log-opt", "tag={{.Nope}}"], "log opt 'tag' cannot be understood"),
    ],
)
def test_what_cannot_be_logged_to(engine: Minidock, options: list[str], why: str) -> None:
    done = engine("run", *options, "alpine", "true")
    assert done.returncode == 125
    assert why in done.stderr.decode()
    assert engine("ps", "-aq").stdout == b""


def test_the_end_is_where_it_was_at_the_beginning(engine: Minidock, ok: Ok, containers: Containers) -> None:
    """Whoever writes faster than it is read must not make a command endless that does not follow."""
    container = background(ok, f"seq 300000; touch /said; {WAITING} seq 300000 600000; echo later")
    record = containers.one_running()
    eventually(Path(f"/proc/{record['state']['pid']}/root/said").exists)
    eventually(lambda: engine("logs", "--tail", "1", container).stdout == b"300000\n")
    readers = [engine.start("logs", *tail, container, stdout=subprocess.PIPE) for tail in ((), ("--tail", "250000"))]
    for reader in readers:
        assert reader.stdout is not None
        reader.stdout.read(1)  # it has begun, and waits for us since its pipe is full
    go(containers, container)
    assert ok("wait", container) == "0\n"
    for reader in readers:
        output, _ = reader.communicate(timeout=20)
        assert (reader.returncode, output.endswith(b"\n300000\n")) == (0, True)
    ok("rm", container)


def test_follow_ends_with_the_container(engine: Minidock, ok: Ok, containers: Containers) -> None:
    name = background(ok, "echo first; " + WAITING + "echo last; echo err >&2; printf end")
    with engine.start("logs", "-f", name, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as follower:
        assert follower.stdout.readline() == b"first\n"
        go(containers, name)
        assert follower.communicate(timeout=20) == (b"last\nend", b"err\n")
        assert follower.returncode == 0


@pytest.mark.parametrize("network", ["none", "bridge"])
def test_follow_goes_on_over_restarts(engine: Minidock, ok: Ok, network: str) -> None:
    script = "echo began; sleep 0.1; echo ended; exit 1"
    name = background(ok, script, "--restart", "on-failure:2", "--network", network)
    assert engine("logs", "-f", name).stdout == b"began\nended\n" * 3


def test_follow_of_a_container_that_is_removed(engine: Minidock, ok: Ok, containers: Containers) -> None:
    name = background(ok, "echo first; " + WAITING + "echo last", "--rm")
    with engine.start("logs", "-f", name, stdout=subprocess.PIPE) as follower:
        assert follower.stdout.readline() == b"first\n"
        go(containers, name)
        assert follower.communicate(timeout=20)[0] == b"last\n"


@pytest.mark.parametrize("files", [1, 3])
def test_follow_over_a_thousand_rotations(engine: Minidock, ok: Ok, containers: Containers, files: int) -> None:
    """The files change their names far more often than any reader looks. Three read, one of them from the middle on."""
    options = ("--log-opt", "max-size=1k", "--log-opt", f"max-file={files}")
    name = background(ok, WAITING + "seq 15000", *options)
    everything = "".join(f"{number}\n" for number in range(1, 15001)).encode()
    first, second = (engine.start("logs", "-f", name, stdout=subprocess.PIPE) for _ in range(2))
    place = containers.directory / name / "followers"
    eventually(lambda: len(followers(place.parent)) == 2)
    go(containers, name)
    late = engine("logs", "-f", name).stdout
    assert first.communicate(timeout=60)[0] == everything
    assert second.communicate(timeout=60)[0] == everything
    assert everything.endswith(late)
    assert os.listdir(place) == []
    assert len(list(place.parent.glob("*-json.log*"))) == files


def test_a_stopped_reader_stops_nobody(engine: Minidock, ok: Ok, containers: Containers) -> None:
    name = background(ok, WAITING + "seq 5000", "--log-opt", "max-size=2k", "--log-opt", "max-file=2")
    reader = engine.start("logs", "-f", name, stdout=subprocess.PIPE)
    place = containers.directory / name / "followers"
    eventually(lambda: followers(place.parent))
    os.kill(reader.pid, signal.SIGSTOP)
    go(containers, name)
    assert ok("wait", name) == "0\n"
    os.kill(reader.pid, signal.SIGCONT)
    assert reader.communicate(timeout=60)[0] == "".join(f"{number}\n" for number in range(1, 5001)).encode()


def test_a_killed_reader_leaves_no_files(engine: Minidock, ok: Ok, containers: Containers) -> None:
    name = background(ok, WAITING + "seq 500", "--log-opt", "max-size=1k")
    reader = engine.start("logs", "-f", name, stdout=subprocess.PIPE)
    place = containers.directory / name / "followers"
    eventually(lambda: followers(place.parent))
    reader.kill()
    reader.communicate()
    go(containers, name)
    ok("wait", name)
    assert os.listdir(place) == []


def test_the_next_reader_clears_up_after_a_killed_one(engine: Minidock, ok: Ok, containers: Containers) -> None:
    name = background(ok, WAITING)
    place = containers.directory / name / "followers"
    before: list[str] = []
    for _ in range(2):
        reader = engine.start("logs", "-f", name, stdout=subprocess.PIPE)
        now = eventually(lambda seen=tuple(before): sorted(set(followers(place.parent)) - set(seen)))
        assert len(now) == 1
        assert os.listdir(place) == now
        before = now
        reader.kill()
        reader.communicate()


def test_nothing_of_much_output_is_lost(engine: Minidock, ok: Ok) -> None:
    name = background(ok, "yes 'a line of thirty-two characters' | head -c 16m")
    assert ok("wait", name) == "0\n"
    done = engine("logs", name)
    assert len(done.stdout) == 16 << 20
    line = b"a line of thirty-two characters\n"
    assert done.stdout == line * ((16 << 20) // len(line))


def test_follow_after_a_killed_monitor_ends(engine: Minidock, ok: Ok, containers: Containers) -> None:
    name = background(ok, "echo up; sleep 1000")
    with engine.start("logs", "-f", name, stdout=subprocess.PIPE) as follower:
        assert follower.stdout.readline() == b"up\n"
        record: dict[str, Any] = containers.records()[0]
        os.kill(record["state"]["monitor"], signal.SIGKILL)
        assert follower.wait(20) == 0
