"""What starts a process in a container is done by the command in a process of its own.

Whoever starts a container hands it its signals and its standard streams. A library must take neither from the program
that uses it, nor can a program with threads give them away: so `run`, `create`, `start`, `exec` and `build` are run as
`minidock ...`, and any flag of theirs is a keyword argument. All else is done here, by the functions that the commands
call too.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from minidock.errors import MinidockError

Flag = str | int | float | bool | Sequence[str] | Mapping[str, str] | None
Tell = Callable[[str], None]


class Output(NamedTuple):
    """How a program in a container ended, and all that it has written."""

    exit_code: int
    stdout: bytes
    stderr: bytes


def words_of(flags: Mapping[str, Flag]) -> list[str]:
    """Keyword arguments as flags: `cap_drop=["ALL"]` is --cap-drop=ALL, `env={"A": "1"}` --env=A=1, None is none."""
    words = []
    for keyword, value in flags.items():
        name = f"--{keyword.rstrip('_').replace('_', '-')}"
        if isinstance(value, bool):
            words.append(name if value else f"{name}=false")
        elif isinstance(value, Mapping):
            words += [f"{name}={key}={text}" for key, text in value.items()]
        elif isinstance(value, str | int | float):
            words.append(f"{name}={value}")
        elif value is not None:
            words += [f"{name}={text}" for text in value]
    return words


def arguments_of(command: str | Sequence[str] | None) -> list[str]:
    """A command as its words; a text is split as a shell would (shlex)."""
    if isinstance(command, str):
        import shlex

        return shlex.split(command)
    return list(command or ())


def call(root: str, *words: str, input: bytes = b"") -> Output:
    """Run a command of minidock's to its end."""
    done = subprocess.run([*_program(root), *words], input=input, capture_output=True, check=False)
    return Output(done.returncode, done.stdout, done.stderr)


def ask(root: str, *words: str) -> str:
    """The same for what prints a line, such as an id. Raises `MinidockError` with what the command has said."""
    done = call(root, *words)
    if done.exit_code:
        raise error_of(done)
    return done.stdout.decode().strip()


def follow(root: str, *words: str, tell: Tell) -> None:
    """The same for what takes long: each line of its account is told as it comes."""
    with subprocess.Popen(
        [*_program(root), *words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        assert process.stderr is not None
        last = b""
        for last in process.stderr:
            tell(last.decode(errors="replace").rstrip("\n"))
    if process.returncode:
        raise error_of(Output(process.returncode, b"", last))


def error_of(done: Output) -> MinidockError:
    """The error that a command has ended with, from the last line that it wrote."""
    line = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
    return MinidockError(line.removeprefix("minidock: "), exit_code=done.exit_code)


def _program(root: str) -> list[str]:
    return [sys.executable, "-m", "minidock", "--root", os.path.abspath(root)]
