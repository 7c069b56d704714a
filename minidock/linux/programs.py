"""Run other programs: nft, iptables, busctl, credential helpers, recipes.

A program is run by two calls of two processes: this one creates a child (vfork(2): it shares our memory while we wait),
and the child executes the program (execve(2)). What the program does in the kernel afterwards is not reported to
observers; its arguments and its input are. The child cannot report its execve, since it shares our memory, so it is
reported here, with the child's pid.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from minidock.linux import syscalls
from minidock.named_tuple import NamedTuple
from minidock.observe import announced, observers, report_call

if TYPE_CHECKING:
    import subprocess


class Done(NamedTuple):
    """How a program ended (exit code, or a signal's number negative), and what it wrote."""

    returncode: int
    stdout: str
    stderr: str


def find(name: str) -> str | None:
    """The path of the program `name` in this process's PATH, or None. It is looked up here, so that execve is called
    once.
    """
    candidates = [name] if "/" in name else [os.path.join(place, name) for place in os.get_exec_path()]
    return next((path for path in candidates if os.access(path, os.X_OK) and not os.path.isdir(path)), None)


class Program:
    """A program that was started and given its input. As a context manager, it has ended when the block ends."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.__exit__(None, None, None)

    def end(self, seconds: float | None = None) -> Done:
        """Wait until it has ended. Raises `TimeoutError` if that takes more than `seconds`, after killing it."""
        import subprocess

        with self:
            try:
                output, errors = self._process.communicate(timeout=seconds)
            except subprocess.TimeoutExpired as error:
                self._process.kill()
                for pipe in (self._process.stdout, self._process.stderr):
                    if pipe:
                        pipe.close()  # a process that it has started may keep the other ends open
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
    """Run a program until it ends. `meanwhile` is called while it works. Arguments and errors as for `begin`.

    Raises `TimeoutError` if it does not end within `seconds`, after killing it.
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
    """Start a program, with `text` as its input (None: no input).

    `to`: a descriptor for all its output. `secret`: the text is not shown to observers. `file`: the file to execute, if
    not that of the command's first word. `environment`: another one than ours. Raises `FileNotFoundError` if the
    program is not installed, and `OSError` if it cannot be executed.
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


def start(
    command: Sequence[str], *, stdio: tuple[int, int, int], inside: Callable[[], None] | None = None
) -> subprocess.Popen[bytes]:
    """Start a program on streams of the caller's, as of subprocess.Popen; `inside` is called in the child before.

    Then the child is a copy of ours (fork(2)), so this is for a process of one thread. Raises `OSError`.
    """
    import subprocess

    processes = []

    def begin_process() -> int:
        processes.append(subprocess.Popen(command, stdin=stdio[0], stdout=stdio[1], stderr=stdio[2],
                                          preexec_fn=inside))  # noqa: PLW1509  # fmt: skip
        return processes[0].pid

    pid = announced("vfork" if inside is None else "fork", (), begin_process)
    if observers:
        report_call("execve", (command[0], list(command), dict(os.environ)), 0, pid=pid)
    return processes[0]


def _feed(fd: int, text: str, write: Callable[[int, bytes], int]) -> None:
    """Write all of `text`. If the program closes its input early, its exit code tells why."""
    data = text.encode(errors="surrogateescape")
    try:
        while data:
            data = data[write(fd, data) :]
    except BrokenPipeError:
        return
