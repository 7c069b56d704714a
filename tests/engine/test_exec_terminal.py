"""`exec -it`: a terminal of the container's own, and the caller's given back as it was."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

from tests.engine.containers import Containers, eventually
from tests.engine.pty import Terminal
from tests.support.command import Minidock


@pytest.fixture(scope="module")
def shared(engine: Minidock) -> Iterator[str]:
    """A container to go into."""
    done = engine("run", "-d", "--network", "none", "--name", "console", "alpine", "sleep", "1000")
    assert done.returncode == 0, done.stderr.decode()
    yield "console"
    engine("rm", "-f", "console")


@pytest.fixture
def terminal(engine: Minidock, shared: str) -> Iterator[Terminal]:
    """Somebody has typed `exec -it console sh`."""
    terminal = Terminal([*engine.program, "exec", "-it", shared, "sh"], engine.environment, rows=33, columns=99)
    yield terminal
    terminal.close()
    engine("exec", shared, "pkill", "-9", "sh")  # an interactive shell, which would go on


def test_it_is_one_of_the_container_s_own_and_as_large_as_ours(terminal: Terminal) -> None:
    terminal.expect("# ")
    assert terminal.is_raw
    terminal.type("tty; stty size; echo $TERM; readlink /proc/self/fd/0\n")
    terminal.expect(r"/dev/pts/\d+\r\n33 99\r\nxterm\r\n/dev/pts/\d+\r\n")
    terminal.resize(50, 120)
    terminal.type("until [ \"$(stty size)\" = '50 120' ]; do sleep 0.01; done; echo resized\n")
    terminal.expect("\r\nresized\r\n")
    terminal.type("exit 7\n")
    assert terminal.wait() == 7
    assert terminal.mode() == terminal.before


def test_leaving_by_the_keys_is_told(engine: Minidock, terminal: Terminal) -> None:
    terminal.expect("# ")
    terminal.type("\x10\x11")
    terminal.wait()
    told = engine("events", "--since", "1h", "--until", "0s", "--format", "{{.Action}}").stdout.decode().splitlines()
    assert told[-3:] == ["exec_create: sh ", "exec_start: sh ", "exec_detach"]


def test_ctrl_c_goes_inside(terminal: Terminal) -> None:
    terminal.expect("# ")
    # Said by the process that Ctrl-C is for: the shell has given it the terminal.
    terminal.type("sh -c 'echo go; exec sleep 1000'\n")
    terminal.expect("\r\ngo\r\n")
    terminal.type(b"\x03")
    terminal.expect("# ")
    terminal.type("echo still $((1 + 1))\n")
    terminal.expect("still 2")
    terminal.expect("# ")  # before it reads again, the end of a file would be a zero byte to it
    terminal.type(b"\x04")
    assert terminal.wait() == 0
    assert terminal.mode() == terminal.before


def test_keys_leave_it_running(engine: Minidock, containers: Containers, terminal: Terminal) -> None:
    terminal.expect("# ")
    terminal.type("sleep 0.5; touch /left\n")
    terminal.type(b"\x10\x11")
    terminal.expect("read escape sequence")
    assert terminal.wait() == 1
    assert terminal.mode() == terminal.before
    eventually(lambda: engine("exec", "console", "ls", "/left").returncode == 0)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_a_killed_command_gives_the_terminal_back(engine: Minidock, terminal: Terminal, number: signal.Signals) -> None:
    terminal.expect("# ")
    assert terminal.is_raw
    os.kill(terminal.process.pid, number)
    terminal.wait()
    eventually(lambda: terminal.mode() == terminal.before)
    assert engine("exec", "console", "pgrep", "sh").returncode == 0  # which goes on


def test_a_terminal_needs_one(engine: Minidock, shared: str) -> None:
    done = engine("exec", "-it", shared, "true")
    assert (done.returncode, done.stderr) == (1, b"minidock: the input device is not a TTY\n")


def test_a_terminal_without_ours(engine: Minidock, shared: str) -> None:
    done = engine("exec", "-t", shared, "sh", "-c", "tty; echo err >&2")
    assert done.returncode == 0
    assert done.stdout.startswith(b"/dev/pts/")
    assert done.stdout.endswith(b"\r\nerr\r\n")


def test_the_terminal_s_owner_is_the_user(engine: Minidock, shared: str) -> None:
    done = engine("exec", "-t", "-u", "nobody", shared, "sh", "-c", "stat -c %U $(tty); echo > $(tty) && echo writable")
    assert b"nobody\r\n" in done.stdout
    assert b"writable" in done.stdout


def test_two_at_once_do_not_mix(engine: Minidock, shared: str) -> None:
    words = [*engine.program, "exec", "-t", shared, "sh", "-c"]
    both = [subprocess.Popen([*words, f"for i in 1 2 3; do echo {mark}; sleep 0.1; done"], stdout=subprocess.PIPE,
                             stdin=subprocess.DEVNULL, env=engine.environment) for mark in "ab"]  # fmt: skip
    assert [process.communicate()[0] for process in both] == [b"a\r\n" * 3, b"b\r\n" * 3]
