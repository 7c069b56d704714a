"""Attached to a container that runs: several at once, late, slow, by keys in and out."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator

import pytest

from tests.engine.containers import Containers, attached, eventually
from tests.engine.pty import Terminal
from tests.engine.test_life import background, no_containers_afterwards, ok, state
from tests.support.command import Minidock

__all__ = ["no_containers_afterwards", "ok"]

Open = Callable[..., Terminal]
ECHO = "echo up; while read line; do echo got-$line; done; echo end"


@pytest.fixture
def terminal(engine: Minidock) -> Iterator[Open]:
    """`terminal("attach", "web")`: a command on Open a pseudo-terminal."""
    opened: list[Terminal] = []

    def open_(*words: str, **size: int) -> Terminal:
        opened.append(Terminal([*engine.program, *words], engine.environment, **size))
        return opened[-1]

    yield open_
    for one in opened:
        one.close()


def test_several_at_once_and_late_see_the_same_from_then_on(
    engine: Minidock, ok: Callable[..., str], containers: Containers
) -> None:
    background(ok, containers, ECHO, "--name", "chat", "-i")
    listeners = [engine.start("attach", "--no-stdin", "chat", stdout=subprocess.PIPE) for _ in range(3)]
    eventually(lambda: attached(engine, "chat") == len(listeners))
    speaker = engine.start("attach", "chat", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert speaker.stdin is not None
    speaker.stdin.write(b"a\n")
    speaker.stdin.flush()
    eventually(lambda: "got-a" in ok("logs", "chat"))
    late = engine.start("attach", "chat", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert late.stdin is not None
    late.stdin.write(b"b\n")
    late.stdin.flush()
    eventually(lambda: "got-b" in ok("logs", "chat"))
    ok("kill", "chat")
    outputs = [one.communicate(timeout=30)[0] for one in (*listeners, speaker, late)]
    assert [one.returncode for one in (*listeners, speaker, late)] == [137] * 5
    assert outputs == [b"got-a\ngot-b\n"] * 4 + [b"got-b\n"]
    assert ok("logs", "chat") == "up\ngot-a\ngot-b\n"


def test_the_input_of_a_detached_container_stays_open_when_its_giver_leaves(
    engine: Minidock, ok: Callable[..., str], containers: Containers
) -> None:
    background(ok, containers, ECHO, "--name", "open", "-i")
    for word in (b"first", b"second"):
        giver = engine.start("attach", "open", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert giver.stdin is not None
        assert giver.stdout is not None
        giver.stdin.write(word + b"\n")
        giver.stdin.close()  # the end of this one's input
        assert giver.stdout.readline() == b"got-" + word + b"\n"
        giver.kill()
        giver.wait()
        giver.stdout.close()
    assert state(containers)["status"] == "running"
    assert ok("logs", "open") == "up\ngot-first\ngot-second\n"


def test_the_input_of_a_container_that_was_created_for_it_ends_once(engine: Minidock, ok: Callable[..., str]) -> None:
    ok("create", "-i", "--name", "once", "--network", "none", "alpine", "sh", "-c", ECHO)
    done = engine("start", "-a", "-i", "once", input=b"word\n")
    assert (done.returncode, done.stdout) == (0, b"up\ngot-word\nend\n")


def test_only_the_streams_that_were_asked_for(engine: Minidock) -> None:
    script = ("--rm", "--network", "none", "alpine", "sh", "-c", "echo out; echo err >&2")
    assert engine("run", "-a", "stdout", *script).stderr == b""
    assert engine("run", "-a", "stderr", *script).stdout == b""


def test_stdout_and_stderr_are_apart(engine: Minidock, ok: Callable[..., str], containers: Containers) -> None:
    background(ok, containers, "echo up; read x; echo out; echo err >&2", "--name", "both", "-i")
    done = engine("attach", "both", input=b"go\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"out\n", b"err\n")


def test_keys_lead_out_of_a_run_and_into_it_again(
    terminal: Open, ok: Callable[..., str], containers: Containers
) -> None:
    first = terminal("run", "-i", "-t", "--name", "shell", "--network", "none", "alpine", "sh")
    first.expect("/ # ")
    first.type("echo in-$((6*7))\r")
    first.expect("in-42.*/ # ")
    first.type("\x10\x11")
    assert first.wait() == 0
    assert first.mode() == first.before
    assert state(containers)["status"] == "running"
    second = terminal("attach", "shell", rows=31, columns=91)
    second.type("stty size\r")
    second.expect("31 91")
    second.resize(33, 93)
    second.type("stty size\r")
    second.expect("33 93")
    second.type("\x10\x11")
    second.expect("read escape sequence")
    assert second.wait() == 1  # docker's code for that
    third = terminal("attach", "--detach-keys", "ctrl-a,x", "shell")
    third.type("\x10\x11\x01")
    third.type("exit 7\r")  # ctrl-a and e: no keys to leave by
    third.expect("#|exit")
    third.type("\x15exit 7\r")
    assert third.wait() == 7
    assert state(containers)["exitCode"] == 7
    form = "{{.Action}} {{.Actor.Attributes.height}} {{.Actor.Attributes.width}}"
    told = ok("events", "--since", "1h", "--until", "0s", "--filter", f"container={containers.records()[0]['id']}",
              "--format", form).splitlines()  # fmt: skip
    assert [row.split()[0] for row in told if "tach" in row] == ["attach", "detach"] * 2 + ["attach"]
    sizes = [row for row in told if row.startswith("resize")]
    assert sizes[1:3] == ["resize 31 91", "resize 33 93"]


def test_without_a_terminal_inside_there_are_no_keys(engine: Minidock, ok: Callable[..., str]) -> None:
    done = engine("run", "--rm", "-i", "--network", "none", "alpine", "cat", input=b"\x10\x11")
    assert (done.returncode, done.stdout) == (0, b"\x10\x11")


def test_signals_go_through_an_attached_command(
    engine: Minidock, ok: Callable[..., str], containers: Containers
) -> None:
    script = "trap 'echo hup' HUP; trap 'exit 8' TERM; echo up; while :; do sleep 0.02; done"
    background(ok, containers, script, "--name", "hears")
    attached = engine.start("attach", "hears", stdout=subprocess.PIPE)
    assert attached.stdout is not None
    _send_until(attached, signal.SIGHUP, lambda: "hup" in ok("logs", "hears"))
    attached.send_signal(signal.SIGTERM)
    assert attached.wait(30) == 8
    attached.stdout.close()


def test_without_proxy_a_signal_is_for_the_command(
    engine: Minidock, ok: Callable[..., str], containers: Containers
) -> None:
    background(ok, containers, "trap 'exit 8' TERM; echo up; while :; do sleep 0.02; done", "--name", "spared")
    attached = engine.start("attach", "--sig-proxy=false", "spared")
    eventually(lambda: "attach" in (engine.root / "events.log").read_text().splitlines()[-1])
    attached.send_signal(signal.SIGTERM)
    assert attached.wait(30) == -signal.SIGTERM
    assert state(containers)["status"] == "running"


def _send_until(command: subprocess.Popen[bytes], number: int, done: Callable[[], bool]) -> None:
    """Signals that come before a command has handlers are its own: wait for those."""
    caught = f"/proc/{command.pid}/status"
    eventually(lambda: _catches(caught, number))
    command.send_signal(number)
    eventually(done)


def _catches(status: str, number: int) -> bool:
    with open(status, encoding="ascii") as lines:
        mask = next(line.split()[1] for line in lines if line.startswith("SigCgt:"))
    return bool(int(mask, 16) >> (number - 1) & 1)


def test_a_guest_who_does_not_read_holds_nobody_up_for_ever(
    engine: Minidock, ok: Callable[..., str], containers: Containers
) -> None:
    """It is dropped; another guest, the log and the program get everything."""
    script = "echo up; read go; head -c 6000000 /dev/zero | tr '\\0' x; echo; echo all"
    background(ok, containers, script, "--name", "much", "-i")
    reading, writing = os.pipe()
    stuck = engine.start("attach", "--no-stdin", "much", stdout=writing, stderr=subprocess.DEVNULL)
    os.close(writing)
    eventually(lambda: attached(engine, "much"))
    good = engine.start("attach", "much", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    out, _ = good.communicate(b"go\n", timeout=60)
    assert (good.returncode, len(out)) == (0, 6_000_005)
    assert stuck.wait(60) == 0
    os.close(reading)
    assert len(ok("logs", "much")) == 6_000_008


def test_a_patient_reader_loses_nothing_and_the_log_neither(engine: Minidock, ok: Callable[..., str]) -> None:
    command = engine.start("run", "--network", "none", "--name", "slow", "alpine", "seq", "1", "100000",
                           stdout=subprocess.PIPE)  # fmt: skip
    assert command.stdout is not None
    out = b""
    while chunk := os.read(command.stdout.fileno(), 7000):
        out += chunk
    command.stdout.close()
    expected = b"".join(b"%d\n" % n for n in range(1, 100_001))
    assert command.wait(30) == 0
    assert out == expected
    assert ok("logs", "slow").encode() == expected


def test_what_does_not_run_cannot_be_attached_to(engine: Minidock, ok: Callable[..., str]) -> None:
    ok("create", "--name", "rests", "alpine", "true")
    done = engine("attach", "rests")
    assert (done.returncode, done.stderr) == (
        1, b"minidock: You cannot attach to a stopped container, start it first\n")  # fmt: skip
    two = engine("start", "-a", "rests", "rests")
    assert two.stderr == b"minidock: you cannot start and attach multiple containers at once\n"
