"""Signals to the command are for the container, from the first moment on; exit codes say how it ended."""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import select
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engine.containers import QUIET, Containers, eventually
from tests.engine.pty import Terminal
from tests.support.command import Minidock
from tests.support.machine import read

NAMES = ["HUP", "INT", "QUIT", "USR1", "USR2", "ALRM", "TERM", "CONT", "TSTP", "WINCH"]
NUMBERS = [signal.Signals[f"SIG{name}"] for name in NAMES] + [signal.SIGRTMIN + 1, signal.SIGRTMAX]


def test_every_signal_reaches_the_first_process(engine: Minidock) -> None:
    traps = "".join(f"trap 'echo got-{int(number)}' {int(number)}; " for number in NUMBERS)
    script = f"{traps} trap 'exit 3' 10; echo ready; while :; do sleep 0.02; done"
    command = engine.start(*QUIET, "alpine", "sh", "-c", script, stdout=subprocess.PIPE)
    assert command.stdout is not None
    assert command.stdout.readline() == b"ready\n"
    for number in NUMBERS:
        if number != signal.SIGUSR1:
            command.send_signal(number)
            assert command.stdout.readline() == b"got-%d\n" % number
    command.send_signal(signal.SIGUSR1)
    assert command.wait(30) == 3
    command.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_that_ends_the_program_is_128_plus_its_number(engine: Minidock, number: signal.Signals) -> None:
    # A first process without a handler gets no signal (pid_namespaces(7)); below an init it is like any other.
    script = "echo ready; exec sleep 1000"
    command = engine.start(*QUIET, "--init", "alpine", "sh", "-c", script, stdout=subprocess.PIPE)
    assert command.stdout is not None
    assert command.stdout.readline() == b"ready\n"
    command.send_signal(number)
    assert command.wait(30) == 128 + number
    command.stdout.close()


def test_a_killed_first_process_is_137(engine: Minidock, containers: Containers) -> None:
    command = engine.start(*QUIET, "alpine", "sleep", "1000")
    os.kill(containers.one_running()["state"]["pid"], signal.SIGKILL)
    assert command.wait(30) == 137


def test_every_exit_code_is_the_programs_own(run: Callable[..., tuple[int, bytes, bytes]]) -> None:
    for code in (0, 1, 125, 255):
        assert run("alpine", "sh", "-c", f"exit {code}")[0] == code
    assert run("alpine", "sh", "-c", "kill -9 $$; sh -c 'kill -9 $$'; exit $?")[0] == 137


def test_nohup_is_respected(engine: Minidock, containers: Containers, tmp_path: Path) -> None:
    script = "trap 'exit 4' USR1; while :; do sleep 0.02; done"
    command = ["nohup", *engine.program, *QUIET, "alpine", "sh", "-c", script]
    with (tmp_path / "out").open("wb") as out:
        started = subprocess.Popen(command, env=engine.environment, stdout=out, stderr=out)
    record = containers.one_running()
    eventually(lambda: 1 << signal.SIGUSR1 - 1 & _caught(record["state"]["pid"]))
    started.send_signal(signal.SIGHUP)
    started.send_signal(signal.SIGUSR1)
    assert started.wait(30) == 4


def _caught(pid: int) -> int:
    """The signals that a process has handlers for: bit n-1 for signal n (proc(5), status)."""
    found = [line for line in read(f"/proc/{pid}/status").splitlines() if line.startswith(b"SigCgt:")]
    return int(found[0].split()[1], 16) if found else 0


def _has_child(pid: int) -> bool:
    return bool(read(f"/proc/{pid}/task/{pid}/children"))


ROUNDS = int(os.environ.get("MINIDOCK_TEST_ROUNDS", "20"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_at_any_early_moment_ends_it(engine: Minidock, containers: Containers, number: signal.Signals) -> None:
    """While it is made, it is unmade; the exit code is that of a program that the signal ended."""
    delays = random.Random(int(number))
    for _ in range(ROUNDS // 2):
        delay = delays.uniform(0, 0.25)
        command = engine.start("run", "--rm", "--init", "alpine", "sleep", "1000", stderr=subprocess.PIPE)
        eventually(lambda pid=command.pid: _has_child(pid))
        time.sleep(delay)  # not to wait for something, but to hit anything
        code = None
        while code is None:
            # Again, if the program had begun and not yet set its handlers: the kernel drops signals for such a PID 1.
            command.send_signal(number)
            try:
                code = command.wait(2)
            except subprocess.TimeoutExpired:
                assert containers.running()
        errors = command.communicate()[1].splitlines()
        assert code in (128 + number, -number), (delay, errors)
        assert len(errors) <= 1
        eventually(lambda: not containers.left())


def test_a_set_up_that_hangs_can_be_interrupted(engine: Minidock, containers: Containers, tmp_path: Path) -> None:
    """It hangs because it is traced into a pipe that nobody reads."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    fcntl.fcntl(reading, fcntl.F_SETPIPE_SZ, 8192)
    environment = {**engine.environment, "MINIDOCK_OBSERVE_TRACE": str(pipe)}
    command = subprocess.Popen([*engine.program, *QUIET, "alpine", "true"], env=environment, stderr=subprocess.PIPE)
    # Only the first process inside makes so many calls; what comes before it has to pass.
    output = b""
    while b'"clone3"' not in output:
        eventually(lambda: select.select([reading], [], [], 0)[0])
        output += os.read(reading, 4096)
    process = eventually(containers.processes)[0]
    eventually(lambda: b"pipe_write" in read(f"/proc/{process}/wchan"))
    command.send_signal(signal.SIGINT)
    eventually(lambda: process not in containers.processes())
    os.set_blocking(reading, True)
    while os.read(reading, 1 << 16):
        continue
    os.close(reading)
    _, errors = command.communicate(timeout=30)
    assert (command.returncode, errors) == (130, b"minidock: interrupted before the start\n")
    eventually(lambda: not containers.left())


def test_three_signals_end_a_client_whose_container_ignores_them(engine: Minidock, containers: Containers) -> None:
    """As in docker. The container goes on, and the second time somebody at a terminal is told how to leave."""
    words = [*QUIET, "-t=false", "--name", "deaf", "alpine", "sh", "-c", "trap '' INT TERM; echo on; sleep 1000"]
    terminal = Terminal([*engine.program, *words], engine.environment)
    try:
        terminal.expect("on\r\n")
        terminal.type("\x03")
        terminal.expect(r"\^C")
        terminal.type("\x03")  # one that comes before the first was seen is the same signal
        for _ in range(5):
            with contextlib.suppress(AssertionError):
                terminal.expect("Ctrl-C once more leaves it running .minidock kill ends it.", timeout=1)
                break
            terminal.type("\x03")
        terminal.type("\x03")
        assert terminal.wait() == 1
        assert b"got 3 SIGTERM/SIGINTs, forcefully exiting" in terminal.seen + terminal.rest()
    finally:
        terminal.close()
    assert engine("inspect", "-f", "{{.State.Status}}", "deaf").stdout == b"running\n"
    assert engine("rm", "-f", "deaf").returncode == 0
