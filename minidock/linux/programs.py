"""Other programs that minidock runs: nft, iptables, busctl, credential helpers, recipes.

A program is run by two calls of two processes: we make a child (vfork(2): it borrows our memory and we wait), and the
child becomes the program (execve(2)). From then on it is not minidock, and what it does in the kernel is its own: what
can be told of it is what it was called with and what it was given to read. The child cannot tell anything, as it runs
on borrowed memory; so its execve is told here, in its name.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from minidock.linux import syscalls
from minidock.observe import announced, observers, report_call

if TYPE_CHECKING:
    import subprocess


class Done(NamedTuple):
    """How a program ended (negative: by which signal), and what it wrote."""

    returncode: int
    stdout: str
    stderr: str


def find(name: str) -> str | None:
    """The file that `name` means in this process's PATH, or None: looked up here, so that execve is called once."""
    candidates = [name] if "/" in name else [os.path.join(place, name) for place in os.get_exec_path()]
    return next((path for path in candidates if os.access(path, os.X_OK) and not os.path.isdir(path)), None)


class Program:
    """One that has been started and given all that it is to read. As a context manager, it has ended when that ends."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.__exit__(None, None, None)

    def end(self, seconds: float | None = None) -> Done:
        """Wait for its end. Raises `TimeoutError` if that takes more than `seconds`: then it was killed."""
        import subprocess

        with self:
            try:
                output, errors = self._process.communicate(timeout=seconds)
            except subprocess.TimeoutExpired as error:
                self._process.kill()
                for pipe in (self._process.stdout, self._process.stderr):
                    if pipe:
                        pipe.close()  # whoever it has started may hold the other ends for ever
                raise TimeoutError from error
        return Done(self._process.returncode, output or "", errors or "")


def run(
    command: Sequence[str],
    text: str | None = None,
    *,
    to: int | None = None,
    secret: bool = False,
    environment: Mapping[str, str] | None = None,
    meanwhile: Callable[[], None] = lambda: None,
    file: str | None = None,
    seconds: float | None = None,
) -> Done:
    """Run a program to its end: `begin`, and `meanwhile` is called while the program works.

    Raises `TimeoutError` if that end does not come within `seconds`: then the program was killed.
    """
    with begin(command, text, to=to, secret=secret, file=file, environment=environment) as program:
        meanwhile()
        return program.end(seconds)


def begin(
    command: Sequence[str],
    text: str | None = None,
    *,
    to: int | None = None,
    secret: bool = False,
    file: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> Program:
    """Start a program, with `text` as its input (none: nothing to read).

    `to`: a descriptor that gets all that it writes. `secret`: nobody else is told what the text says. `file`: what is
    executed, if it is not what the command's first word means. `environment`: another than ours. Raises
    `FileNotFoundError` if the program is not installed, and `OSError` if it cannot be executed.
    """
    import subprocess

    file = file or find(command[0])
    if file is None:
        raise FileNotFoundError(2, os.strerror(2), command[0])
    processes = []

    def start() -> int:
        processes.append(subprocess.Popen(
            command, executable=file, text=True, errors="replace", env=environment,
            stdin=subprocess.DEVNULL if text is None else subprocess.PIPE,
            stdout=subprocess.PIPE if to is None else to,
            stderr=subprocess.PIPE if to is None else to,
        ))  # fmt: skip
        return processes[0].pid

    pid = announced("vfork", (), start)
    if observers:
        report_call(
            "execve", (file, list(command), dict(os.environ if environment is None else environment)), 0, pid=pid
        )
    process = processes[0]
    try:
        if process.stdin:
            _feed(process.stdin.fileno(), text or "", os.write if secret else syscalls.write)
            process.stdin.close()
            process.stdin = None  # which `communicate` would otherwise flush
    except BaseException:
        process.__exit__(None, None, None)
        raise
    return Program(process)


def _feed(fd: int, text: str, write: Callable[[int, bytes], int]) -> None:
    """Write all of `text`; a program that does not want to read the rest says by its exit code what that means."""
    data = text.encode(errors="surrogateescape")
    try:
        while data:
            data = data[write(fd, data) :]
    except BrokenPipeError:
        return
