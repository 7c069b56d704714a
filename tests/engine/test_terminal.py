"""At a terminal: a shell inside feels like one outside, and the caller's terminal is always as it was afterwards."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.engine.containers import QUIET, Containers, eventually
from tests.engine.pty import Terminal
from tests.support.command import Minidock

Open = Callable[..., Terminal]


@pytest.fixture
def at_terminal(engine: Minidock) -> Iterator[Open]:
    """`at_terminal("alpine", "sh")`: minidock run of this on a terminal; `program` is something else to run there."""
    opened = []

    def open_(*arguments: str, program: list[str] | None = None, **options: int) -> Terminal:
        command = program or [*engine.program, *QUIET, *arguments]
        opened.append(Terminal(command, {**engine.environment, "PS1": "$ "}, **options))
        return opened[-1]

    yield open_
    for terminal in opened:
        terminal.close()
    if left := engine("ps", "-a", "-q").stdout.split():
        engine("rm", "-f", *map(bytes.decode, left))


@pytest.fixture
def at_shell(engine: Minidock, at_terminal: Open) -> Callable[[], Terminal]:
    """A shell of the caller with job control, on a terminal; `$MD` is `minidock run --rm --network none`."""

    def open_() -> Terminal:
        terminal = at_terminal(program=["bash", "--norc", "--noprofile", "-i"])
        terminal.expect(r"\$ ")
        command = " ".join([*engine.program, *QUIET])
        terminal.type(f"bind 'set enable-bracketed-paste off'; PS1='outer> '; MD='{command}'\r")
        terminal.expect("\r\n.*outer> ")
        return terminal

    return open_


def test_on_a_terminal_a_shell_is_interactive_without_flags(at_terminal: Open) -> None:
    terminal = at_terminal("alpine", "sh")
    terminal.expect("/ # ")
    terminal.type("tty; echo $TERM\r")
    terminal.expect("/dev/pts/0\r\nxterm\r\n/ # ")
    terminal.type("exit 5\r")
    assert terminal.wait() == 5
    assert terminal.mode() == terminal.before


@pytest.mark.parametrize(("flags", "inside"), [([], True), (["-t=false"], False), (["-it"], True), (["-i"], False)])
def test_what_is_said_on_the_command_line_counts(at_terminal: Open, flags: list[str], *, inside: bool) -> None:
    terminal = at_terminal(*flags, "alpine", "sh", "-c", "test -t 1 && echo yes || echo no")
    terminal.expect("yes" if inside else "no")
    assert terminal.wait() == 0


def test_without_a_terminal_there_is_none_inside(engine: Minidock) -> None:
    assert engine(*QUIET, "alpine", "sh", "-c", "test -t 0 || test -t 1 || echo none").stdout == b"none\n"


def test_t_makes_a_terminal_for_output_into_a_pipe(engine: Minidock) -> None:
    """As in docker: one stream, and the terminal's own line ends."""
    done = engine(*QUIET, "-t", "alpine", "sh", "-c", "tty; echo out; echo err >&2")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"/dev/pts/0\r\nout\r\nerr\r\n", b"")


def test_it_with_a_pipe_as_input_is_refused(engine: Minidock, containers: Containers) -> None:
    done = engine(*QUIET, "-it", "alpine", "true")
    assert (done.returncode, done.stderr) == (1, b"minidock: the input device is not a TTY\n")
    assert not containers.records()


def test_a_terminal_is_needed_by_who_attaches_only(engine: Minidock) -> None:
    """As in docker: not to make such a container, nor to start it in the background."""
    for words in (("create",), ("run", "-d")):
        done = engine(*words, "--network", "none", "--name", "blind", "-it", "alpine", "true")
        assert (done.returncode, done.stderr) == (0, b"")
        engine("rm", "-f", "blind")


TERMINALS = {"run": ("/dev/console", ("run", "--rm", "--network", "none", "-t", "alpine")),
             "exec": ("/dev/pts/0", ("exec", "-t", "lasting"))}  # fmt: skip


@pytest.mark.parametrize(("name", "words"), TERMINALS.values(), ids=TERMINALS)
def test_a_terminal_that_all_have_closed_is_not_over(engine: Minidock, name: str, words: tuple[str, ...]) -> None:
    """As an init does while it boots."""
    assert engine("run", "-d", "--network", "none", "--name", "lasting", "alpine", "sleep", "1000").returncode == 0
    script = f"echo first; exec 0<&- 1>&- 2>&-; sleep 0.3; echo back > {name}; exit 3"
    done = engine(*words, "sh", "-c", script)
    assert (done.returncode, done.stdout, done.stderr) == (3, b"first\r\nback\r\n", b"")
    engine("rm", "-f", "lasting")


def test_nor_while_its_monitor_is_small(engine: Minidock, containers: Containers) -> None:
    script = "exec 0<&- 1>&- 2>&-; read x < /go; echo back > /dev/console; exec sleep 1000"
    words = ("run", "-d", "-t", "--network", "none", "--name", "booting", "alpine", "sh", "-c", f"mkfifo /go; {script}")
    assert engine(*words).returncode == 0
    (monitor,) = containers.commands()
    eventually(lambda: b"/idle." in Path(f"/proc/{monitor}/cmdline").read_bytes())
    engine("exec", "booting", "sh", "-c", "echo > /go")
    eventually(lambda: engine("logs", "booting").stdout == b"back\r\n")
    engine("rm", "-f", "booting")


def test_the_window_size_is_that_of_the_callers_and_follows(at_terminal: Open) -> None:
    loop = "trap 'stty size' WINCH; stty size; while :; do read x; done"
    terminal = at_terminal("alpine", "sh", "-c", loop, rows=31, columns=97)
    terminal.expect("31 97\r\n")
    terminal.resize(50, 132)
    terminal.expect("50 132\r\n")
    terminal.resize(24, 80)
    terminal.expect("24 80\r\n")


@pytest.mark.parametrize(("key", "name"), [("\x03", "INT"), ("\x1c", "QUIT")])
def test_keys_that_send_signals_do_so_inside(at_terminal: Open, key: str, name: str) -> None:
    # The shell is PID 1 and gets the signal too; its child is a foreground job like any other.
    loop = f"trap 'echo got-{name}' {name}; echo ready; while :; do sleep 1; done"
    terminal = at_terminal("alpine", "sh", "-c", loop)
    terminal.expect("ready")
    terminal.type(key)
    terminal.expect(f"got-{name}")
    assert terminal.process.poll() is None


def test_job_control_works_inside(at_terminal: Open) -> None:
    terminal = at_terminal("alpine", "sh")
    terminal.expect("/ # ")
    terminal.type("sh -c 'echo run-$((6*7)); exec sleep 1000'\r")
    terminal.expect("run-42")
    terminal.type("\x1a")
    terminal.expect(r"\[1\]\+ +Stopped.*/ # ")
    terminal.type("bg; jobs\r")
    terminal.expect(r"\[1\]\+ +Running.*/ # ")
    terminal.type("fg\r")
    terminal.expect('fg.*sleep 1000"?\r\n')
    terminal.type("\x03")
    terminal.expect("/ # ")
    terminal.type("exit\r")
    assert terminal.wait() == 130


def test_a_big_paste_arrives_whole(at_terminal: Open) -> None:
    text = b"".join(b"%07d\n" % number for number in range(8192))  # 64 KB
    terminal = at_terminal("alpine", "sh", "-c", f"stty raw -echo; echo ready; head -c {len(text)} | sha256sum")
    terminal.expect("ready")
    terminal.type(text)
    terminal.expect(hashlib.sha256(text).hexdigest())
    assert terminal.wait() == 0


def test_much_output_arrives_whole(at_terminal: Open) -> None:
    terminal = at_terminal("alpine", "sh", "-c", "seq 1 50000; echo end")
    terminal.expect("end\r\n")
    assert terminal.wait() == 0
    assert terminal.seen == b"".join(b"%d\r\n" % number for number in range(1, 50_001)) + b"end\r\n"


def test_the_mode_is_restored_after_an_error(at_terminal: Open) -> None:
    for command, code in (["/nowhere"], 127), (["/etc"], 126):
        terminal = at_terminal("alpine", *command)
        assert terminal.wait() == code
        assert terminal.mode() == terminal.before


@pytest.mark.parametrize(
    ("victim", "number", "code"),
    [
        ("client", signal.SIGKILL, -9),
        ("monitor", signal.SIGKILL, 125),
        ("container", signal.SIGKILL, 137),
        ("client", signal.SIGTERM, 143),
    ],
)
def test_the_mode_is_restored_whoever_is_killed(
    at_terminal: Open, containers: Containers, engine: Minidock, victim: str, number: int, code: int
) -> None:
    # A shell that nothing but SIGTERM's trap and SIGKILL ends.
    terminal = at_terminal("alpine", "sh", "-c", "trap 'exit 143' TERM; echo ready; while :; do sleep 0.1; done")
    terminal.expect("ready")
    eventually(lambda: terminal.is_raw)
    record = containers.one_running()
    pids = {"client": terminal.process.pid, "monitor": record["state"]["monitor"], "container": record["state"]["pid"]}
    os.kill(pids[victim], number)
    assert terminal.wait() == code
    eventually(lambda: terminal.mode() == terminal.before)
    if victim == "client" and number == signal.SIGKILL:
        assert containers.running()  # it goes on without its caller, as in docker
        assert engine("rm", "-f", record["name"]).returncode == 0
    if victim == "monitor":
        assert b"monitor was killed" in terminal.rest()
    eventually(lambda: not containers.left())


def test_a_window_that_is_closed_leaves_the_shell_inside(
    at_terminal: Open, engine: Minidock, containers: Containers
) -> None:
    """As in docker: whoever comes back can attach to it."""
    terminal = at_terminal("alpine", "sh")
    terminal.expect("/ # ")
    terminal.hang_up()
    terminal.process.wait(30)
    (record,) = containers.running()
    assert engine("exec", record["id"], "true").returncode == 0
    engine("rm", "-f", record["id"])


def test_what_is_typed_ahead_is_for_the_next_program(at_shell: Callable[[], Terminal]) -> None:
    """Everything after `exit` belongs to the caller's shell, though it came while the container was still there."""
    terminal = at_shell()
    terminal.type("$MD alpine sh -c 'stty -echo; echo ready; read go; exec sleep 0.5'\r")
    terminal.expect("\r\nready")
    terminal.type("go\r")
    eventually(lambda: terminal.is_raw)
    terminal.expect("outer> ")
    terminal.type("$MD alpine true\recho ahead-$((6*7))\r")
    terminal.expect("\nahead-42")


def test_in_the_background_it_waits_for_the_terminal(at_shell: Callable[[], Terminal], containers: Containers) -> None:
    """A job that wants the terminal's keys stops until it is in the foreground; it does not take them."""
    terminal = at_shell()
    terminal.type("$MD alpine sh -c 'echo in-$((6*7)); read line; echo line=$line' &\r")
    eventually(containers.records)
    terminal.expect("outer> ")
    terminal.type("wait; jobs\r")
    terminal.expect("Stopped")
    terminal.type("echo mine-$((6*7))\r")
    terminal.expect("mine-42.*outer> ")
    terminal.type("fg\r")
    terminal.expect("in-42\r\n")
    terminal.type("hello\r")
    terminal.expect("line=hello")
    terminal.expect("outer> ")
    eventually(lambda: not containers.records())


def test_a_shell_outside_is_itself_again_after_a_shell_inside(at_shell: Callable[[], Terminal]) -> None:
    terminal = at_shell()
    terminal.type("stty -a >/tmp/before.$$; $MD alpine sh\r")
    terminal.expect("/ # ")
    terminal.type("exit 9\r")
    terminal.expect("outer> ")
    terminal.type("echo code=$?; stty -a | cmp - /tmp/before.$$ && echo same-$((6*7)); rm /tmp/before.$$\r")
    terminal.expect("code=9")
    terminal.expect("same-42")
