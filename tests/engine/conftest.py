"""Containers that are looked at from outside: by their output, their exit code and what the kernel shows of them."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator

import pytest

from tests.engine.containers import Containers, eventually
from tests.support.command import Minidock


@pytest.fixture(scope="session", autouse=True)
def signals_as_in_a_shell() -> None:
    """What a shell's background job ignores (SIGINT, SIGQUIT), or nohup (SIGHUP), its children would ignore too."""
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


@pytest.fixture
def containers(engine: Minidock) -> Containers:
    """What there is of containers, as the file system and the kernel know it."""
    return Containers(engine)


@pytest.fixture
def run(engine: Minidock) -> Callable[..., tuple[int, bytes, bytes]]:
    """`run(*arguments, input=b"")` of `minidock run --rm --network none`: (exit code, output, errors)."""

    def run(*arguments: str, input: bytes = b"", timeout: float = 60) -> tuple[int, bytes, bytes]:
        done = engine("run", "--rm", "--network", "none", *arguments, input=input, timeout=timeout)
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.fixture
def ok(engine: Minidock) -> Callable[..., str]:
    """`ok("stop", "web")`: what a command prints that has to succeed."""

    def ok(*words: str) -> str:
        done = engine(*words)
        assert done.returncode == 0, (words, done)
        return done.stdout.decode()

    return ok


@pytest.fixture
def no_containers_afterwards(engine: Minidock, containers: Containers) -> Iterator[None]:
    """The test ends with nothing left of its containers."""
    yield
    if left := engine("ps", "-a", "-q").stdout.split():
        engine("rm", "-f", *map(bytes.decode, left))
    eventually(lambda: not containers.left())
