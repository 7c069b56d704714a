"""Stage 1: the program runs a command, and ends as that ends."""

from __future__ import annotations

import signal

from minidock.course.bench import WAIT, Bench, status
from minidock.course.missing import Missing
from minidock.errors import EXIT_CANNOT_EXECUTE, EXIT_NOT_FOUND

_MEANT = 7


def check(bench: Bench) -> None:
    """See the module."""
    _output(bench)
    _exit_codes(bench)
    _no_such_program(bench)
    with bench.start(command=["sh", "-c", WAIT]) as running:
        running.lines()
        ignored = int(status(running.pid)["SigIgn"], 16)
        if ignored >> signal.SIGPIPE - 1 & 1:
            raise Missing(
                "the command ignores SIGPIPE (SigIgn in /proc/PID/status), so `yes | head` complains: Python "
                "ignores it, "
                "and exec keeps that: signal.signal(SIGPIPE, SIG_DFL) before exec"
            )
        bench.ok("the command has the signals that every program has")
        running.end()
    bench.nothing_is_left()
    bench.ok("nothing is left")


def _output(bench: Bench) -> None:
    done = bench.run(command=["sh", "-c", "echo one; echo two words"])
    if done.output != "one\ntwo words\n":
        shown = done.output.strip().replace("\n", "; ") or "nothing"
        raise Missing(
            f"`echo one; echo two words` printed: {shown}{done.said}: exec the command with all its arguments, once"
        )
    bench.ok("the command runs, once, with its arguments")


def _exit_codes(bench: Bench) -> None:
    code = bench.run(command=["sh", "-c", f"exit {_MEANT}"]).code
    if code != _MEANT:
        raise Missing(
            f"the command ended with {_MEANT}, your program with {code}: wait for the child (os.waitpid) and exit with "
            "its code (os.waitstatus_to_exitcode)"
        )
    code = bench.run(command=["sh", "-c", "kill -KILL $$"]).code
    if code not in (128 + signal.SIGKILL, -signal.SIGKILL):
        raise Missing(f"the command was killed by signal 9, your program ended with {code}: a shell says 128 + 9 = 137")
    bench.ok("its exit code is yours, and 128 + N for signal N")


def _no_such_program(bench: Bench) -> None:
    for command, wanted, what in (
        ("no-such-program", EXIT_NOT_FOUND, "there is no such program"),
        ("/etc/passwd", EXIT_CANNOT_EXECUTE, "it cannot be executed"),
    ):
        done = bench.run(command=[command])
        if done.code != wanted or "Traceback" in done.errors:
            raise Missing(
                f"{command}: {what}, and your program ended with {done.code}{done.said}: when exec fails, the child is "
                f"still a copy of your program: print one line, and os._exit({wanted})"
            )
    bench.ok("127 and 126 for what cannot be run, and no second parent goes on")
