"""Readers that go away: what is run goes on as if nothing had happened, its output in the log, or nowhere."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator

import pytest

from tests.engine.containers import Containers, attached, eventually
from tests.engine.pty import Terminal
from tests.support.command import Minidock

# Writes for a second, to both outputs, and notes down how writing went.
WRITER = ("sh", "-c", "trap 'echo hung up >> /log' HUP; trap 'echo broken >> /log' PIPE;"
          "for i in 1 2 3 4 5 6 7 8 9; do echo $i || echo failed >> /log; echo $i >&2; sleep 0.1; done;"
          "echo done >> /log; exec sleep 1000")  # fmt: skip
DETACHED = ("-d", "--network", "none", "--name", "reader")


@pytest.fixture(autouse=True)
def nothing_left(engine: Minidock, no_containers_afterwards: None) -> Iterator[None]:
    """Every test's container is called `reader`."""
    yield
    engine("rm", "-f", "reader")


def is_done(engine: Minidock) -> bool:
    """Whether the writer has come to its end; nothing that it noted down says that it was disturbed."""
    log = engine("exec", "reader", "cat", "/log").stdout
    assert log in (b"", b"done\n")
    return log == b"done\n"


def read_one_line(command: subprocess.Popen[bytes]) -> None:
    """Read the first line of a command's output and close it: the command says so, and ends."""
    assert command.stdout
    assert command.stderr
    assert command.stdout.readline().strip() == b"1"
    command.stdout.close()
    # The program goes on, and may write to standard error behind that.
    assert command.stderr.read().count(b"minidock: write /dev/stdout: broken pipe\n") == 1
    assert command.wait() == 1


@pytest.mark.parametrize("flags", [(), ("-t",), ("--log-driver", "none")], ids=["pipes", "terminal", "no log"])
def test_a_reader_of_run(engine: Minidock, flags: tuple[str, ...]) -> None:
    words = ("run", *DETACHED[1:], *flags, "alpine", *WRITER)
    with engine.start(*words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as command:
        read_one_line(command)
    eventually(lambda: is_done(engine))
    if "none" not in flags:
        logs = engine("logs", "reader")
        assert sorted((logs.stdout + logs.stderr).split()) == sorted([b"%d" % i for i in range(1, 10)] * 2)


@pytest.mark.parametrize("words", [("exec", "reader"), ("exec", "-t", "reader")], ids=["pipes", "terminal"])
def test_a_reader_of_exec(engine: Minidock, words: tuple[str, ...]) -> None:
    assert engine("run", *DETACHED, "alpine", "sleep", "1000").returncode == 0
    with engine.start(*words, *WRITER, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as command:
        read_one_line(command)
    eventually(lambda: is_done(engine))


def test_a_reader_of_attach(engine: Minidock) -> None:
    waiting = ("sh", "-c", f"until [ -e /go ]; do sleep 0.1; done; {WRITER[2]}")
    assert engine("run", *DETACHED, "alpine", *waiting).returncode == 0
    before = attached(engine, "reader")  # others had the name
    with engine.start("attach", "reader", stdout=subprocess.PIPE, stderr=subprocess.PIPE) as command:
        assert command.stdout
        assert command.stderr
        command.stdout.close()
        eventually(lambda: attached(engine, "reader") > before)
        assert engine("exec", "reader", "touch", "/go").returncode == 0
        assert command.stderr.read().count(b"minidock: write /dev/stdout: broken pipe\n") == 1
        assert command.wait() == 1
    eventually(lambda: is_done(engine))


def test_a_client_that_is_killed(engine: Minidock, containers: Containers) -> None:
    words = ("run", *DETACHED[1:], "alpine", *WRITER)
    with engine.start(*words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as command:
        assert command.stdout
        assert command.stdout.readline() == b"1\n"
        command.kill()
    eventually(lambda: is_done(engine))
    assert engine("logs", "reader").stdout.split() == [b"%d" % i for i in range(1, 10)]


@pytest.mark.parametrize("words", [("run", *DETACHED[1:], "--sig-proxy=false", "-it", "alpine"),
                                   ("exec", "-it", "reader")], ids=["run", "exec"])  # fmt: skip
def test_a_terminal_that_is_closed(engine: Minidock, words: tuple[str, ...]) -> None:
    if words[0] == "exec":
        assert engine("run", *DETACHED, "alpine", "sleep", "1000").returncode == 0
    terminal = Terminal([*engine.program, *words, *WRITER], engine.environment)
    terminal.expect("1\r\n")
    terminal.close()
    eventually(lambda: is_done(engine))


def test_stdin_alone(engine: Minidock) -> None:
    """The container gets its end of file; its output is in the log, and its id is what the command prints."""
    words = ("run", *DETACHED[1:], "-i", "-a", "stdin", "alpine", "sh", "-c", "cat; echo over")
    done = engine(*words, input=b"hello\n")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == engine("inspect", "-f", "{{.Id}}", "reader").stdout
    assert engine("wait", "reader").stdout == b"0\n"
    assert engine("logs", "reader").stdout == b"hello\nover\n"


FAILURES = {"nosuch": 127, "/nosuch": 127, "/etc": 126, "/etc/passwd": 126}


@pytest.mark.parametrize(("program", "code"), FAILURES.items())
def test_what_cannot_be_run_stays_as_created(engine: Minidock, ok: Callable[..., str], program: str, code: int) -> None:
    done = engine("run", *DETACHED[1:], "alpine", program)
    assert done.returncode == code
    assert ok("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "reader") == f"created {code}\n"
    assert done.stderr.decode() == f"minidock: {ok('inspect', '-f', '{{.State.Error}}', 'reader')}"
    assert ok("ps", "-a", "--format", "{{.Names}} {{.Status}}") == "reader Created\n"
    ok("rm", "reader")
    assert engine("run", "--rm", *DETACHED[1:], "alpine", program).returncode == code
    assert ok("ps", "-a", "-q") == ""
    detached = engine("run", *DETACHED, "alpine", program)
    assert detached.returncode == code
    assert detached.stdout == engine("inspect", "-f", "{{.Id}}", "reader").stdout
