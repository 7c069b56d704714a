"""What strangers wrote does not move a terminal, whatever prints it; and a pipe gets every byte."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterator

import pytest

from minidock.cli.screen import harmless
from tests.cli.conftest import Run
from tests.engine.pty import Terminal
from tests.support.command import Minidock

EVIL = "\x1b[2J\x1b]0;owned\x07\r\x9b31m\u202e"  # clears, names the window, goes back, colours (C1), turns around
SHOWN = r"\x1b[2J\x1b]0;owned\x07\r\x9b31m\u202e"

# The command, and how EVIL comes out of it in a pipe, where it is no JSON.
COMMANDS = {
    "inspect -f {{.Config.Labels.evil}} odd": EVIL,
    "ps -a --no-trunc --format {{.Labels}}": EVIL,
    "ps -a --format {{json&.Labels}}": None,
    "events --since 1h --until 0s --filter container=odd": EVIL,
    "history --no-trunc --format {{.CreatedBy}} odd:1": EVIL,
    "image inspect -f {{.Author}} odd:1": EVIL,
    "image inspect -f {{.Config.Env}} odd:1": EVIL,
    "logs nosuch-EVIL": None,
    "inspect nosuch-EVIL": None,
    "rmi nosuch-EVIL": None,
    "layers odd:1": None,
    "diff odd": EVIL,
}


@pytest.fixture(scope="module")
def odd(run: Run) -> Iterator[Minidock]:
    """An image and a container that are full of it."""
    minidock = run.minidock
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.add("/bin/busybox", "bin/busybox")
        tar.addfile(tarfile.TarInfo(f"file-{EVIL}"))
    changes = [word for text in (f"ENV A=b{EVIL.replace(chr(13), '')}", "CMD /bin/busybox") for word in ("-c", text)]
    done = minidock("import", *changes, "-", "odd:0", input=buffer.getvalue())
    assert done.returncode == 0, done.stderr
    made = ["--network", "none", "--label", f"evil={EVIL}", "odd:0", "/bin/busybox", "touch", f"/made-{EVIL}", EVIL]
    minidock("run", "--name", "odd", *made)
    done = minidock("commit", "-m", EVIL, "-a", EVIL, "odd", "odd:1")
    assert done.returncode == 0, done.stderr
    yield minidock
    minidock("rm", "-f", "odd")
    minidock("rmi", "-f", "odd:0", "odd:1")


@pytest.fixture
def on_terminal(odd: Minidock) -> Iterator[Callable[..., bytes]]:
    """All that a command shows on a terminal that is wide."""
    opened: list[Terminal] = []

    def show(*words: str) -> bytes:
        opened.append(Terminal([*odd.program, *words], odd.environment, columns=500))
        return opened[-1].rest()

    yield show
    for one in opened:
        one.close()


def _words(command: str) -> list[str]:
    return [word.replace("EVIL", EVIL).replace("&", " ") for word in command.split()]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_terminal_is_shown_it_and_does_not_obey(
    odd: Minidock, on_terminal: Callable[..., bytes], command: str
) -> None:
    shown = on_terminal(*_words(command))
    assert shown.strip()
    for sequence in ("\x1b[2J", "\x1b]", "\x07", "\x9b", "\u202e"):
        assert sequence.encode() not in shown
    assert shown.replace(b"\r\n", b"").count(b"\r") == 0


@pytest.mark.parametrize("command", [command for command in COMMANDS if COMMANDS[command]])
def test_a_pipe_gets_every_byte(odd: Minidock, command: str) -> None:
    out = odd(*_words(command)).stdout.decode()
    assert (EVIL if "Env" not in command else EVIL.replace("\r", "")) in out


def test_what_is_shown_says_what_it_was(on_terminal: Callable[..., bytes]) -> None:
    assert on_terminal("inspect", "-f", "{{.Config.Labels.evil}}", "odd") == f"{SHOWN}\r\n".encode()


@pytest.mark.parametrize("style", ["full", "brief", "json"])
def test_an_explanation_shows_it_too(odd: Minidock, style: str) -> None:
    """Where there is no terminal there are no colours either."""
    words = ["--network", "none", "--rm", "--label", f"evil={EVIL}", "-e", f"A={EVIL}", "odd:0", "/bin/busybox", "true"]
    done = odd("run", f"--explain={style}", *words, EVIL)
    assert done.returncode == 0
    assert b"execve" in done.stderr or style == "brief"
    assert b"\x1b" not in done.stderr


def test_a_script_of_it_is_exact_in_a_pipe_and_harmless_on_a_terminal(
    odd: Minidock, on_terminal: Callable[..., bytes]
) -> None:
    words = ["run", "--explain=shell", "--network", "none", "--rm", "odd:0", "/bin/busybox", "true", EVIL]
    done = odd(*words)
    assert (done.returncode, EVIL.encode() in done.stderr) == (0, True)
    shown = on_terminal(*words)
    assert b"umount" in shown
    assert b"\x1b" not in shown


def test_a_container_s_own_output_is_its_own(on_terminal: Callable[..., bytes]) -> None:
    words = ["run", "--rm", "--network", "none", "-t", "odd:0", "/bin/busybox", "printf", r"\033[31mred"]
    assert on_terminal(*words).startswith(b"\x1b[31mred")


def test_harmless_text_stays_as_it_is() -> None:
    text = "na\u00efve \u65e5\u672c \U0001f433 a\tb\n\u200d"
    assert harmless(text) == text
    assert harmless("\udcff\ud800") == r"\xff\ud800"
    assert json.loads(f'"{harmless(chr(27)).replace(chr(92) + "x", chr(92) + "u00")}"') == "\x1b"
