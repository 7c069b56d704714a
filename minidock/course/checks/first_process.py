"""Stage 5: a host name, IPC and processes of its own, and a PID 1 that passes signals on and reaps."""

from __future__ import annotations

import os
import signal
import socket
from contextlib import suppress

from minidock.course import sandbox
from minidock.course.bench import WAIT, Bench, eventually, first_of, members, namespace, read, status
from minidock.course.checks.changed_root import exit_code_passes
from minidock.course.checks.pivoted_root import begun, root_is_its_own
from minidock.course.checks.proc_sys_dev import devices, file_systems
from minidock.course.missing import Missing

_SLEEP = "987654"
_PATIENCE = 5.0  # seconds
_KINDS = {"pid": "CLONE_NEWPID before the fork", "uts": "CLONE_NEWUTS", "ipc": "CLONE_NEWIPC"}


def check(bench: Bench) -> None:
    """See the module."""
    before = bench.mounts()
    with bench.start(bench.rootfs, command=["sh", "-c", f"hostname; (sleep 0.5 &); {WAIT}"]) as running:
        said = begun(bench, running, before)
        root_is_its_own(bench, running.pid, before)
        file_systems(bench, running.pid)
        devices(bench, running.pid, works=True)
        namespaces(bench, running.pid)
        sees_itself(bench, running.pid, said)
        _reaps(bench, running.pid)
        running.end()
    exit_code_passes(bench, bench.rootfs)
    bench.nothing_is_left()
    passes_signals_on(bench, bench.rootfs)
    bench.ok("nothing is left")


def namespaces(bench: Bench, pid: int) -> None:
    """Check that the process is in namespaces of its own, and PID 1's child or PID 1."""
    for kind, how in _KINDS.items():
        if namespace(pid, kind) == namespace(bench.host, kind):
            raise Missing(f"the command has the host's {kind} namespace (/proc/PID/ns/{kind}): unshare with {how}")
    bench.ok("it has process ids, a host name and IPC of its own")


def sees_itself(bench: Bench, pid: int, said: list[str]) -> None:
    """Check what the command has printed: its host name; and look at its /proc."""
    name = (*said, "")[0]
    if (now := socket.gethostname()) != sandbox.HOSTNAME:
        raise Missing(f"the host is now called {now}: sethostname after unshare(CLONE_NEWUTS), in the child")
    if name in ("", sandbox.HOSTNAME):
        raise Missing(f"the command's host name is {name or 'empty'}, the host's: socket.sethostname, in the child")
    if not eventually(lambda: _shown(pid) <= _inside(pid), _PATIENCE):
        raise Missing(
            "/proc inside shows the host's processes: it shows those of the namespace of whoever mounts it: "
            "mount it in the "
            "child, which is PID 1"
        )
    if not _shown(pid):
        raise Missing("/proc inside shows no process: mount a proc there, in the child, which is PID 1")
    bench.ok("it sees its own host name and its own processes only")


def _shown(pid: int) -> set[str]:
    """The processes that /proc shows inside."""
    with suppress(OSError):
        return {name for name in os.listdir(f"/proc/{pid}/root/proc") if name.isdigit()}
    return set()


def _inside(pid: int) -> set[str]:
    """The numbers that the processes inside have there."""
    return {status(other).get("NSpid", "").rpartition("\t")[2] for other in members(pid)}


def _reaps(bench: Bench, pid: int) -> None:
    """Check that an orphan that has ended does not stay as a zombie."""

    def going_on() -> bool:  # the orphan, or a shell that is about to become it
        words = [read(f"/proc/{other}/cmdline").split("\0") for other in members(pid)]
        return any(os.path.basename(row[0]) == "sleep" for row in words) or words.count(command) > 1

    def zombies() -> list[int]:
        return [other for other in members(pid) if status(other).get("State", "").startswith("Z")]

    command = read(f"/proc/{pid}/cmdline").split("\0")
    eventually(lambda: not going_on(), bench.seconds)
    if not eventually(lambda: not zombies(), _PATIENCE):
        name = read(f"/proc/{zombies()[0]}/comm").strip() or "a process"
        raise Missing(
            f"a zombie stays inside ({name}): the kernel gives PID 1 all orphans, and PID 1 has to wait for "
            "whoever ends "
            "(os.waitpid(-1, ...)), not for its own child only"
        )
    bench.ok("PID 1 reaps orphans")


def passes_signals_on(bench: Bench, *arguments: str) -> None:
    """Check that SIGTERM to the program ends the command, which does nothing about it itself."""
    with bench.start(*arguments, command=["sleep", _SLEEP]) as running:
        if not eventually(lambda: running.found() is not None, bench.seconds):
            raise Missing("`sleep` is not run: exec the command with its arguments as they are")
        first = first_of(running.pid)
        running.process.terminate()
        if not eventually(lambda: running.process.poll() is not None, _PATIENCE):
            why = (
                "PID 1 is not killed by a signal that it does not wait for"
                if first == running.pid
                else "it stops at you"
            )
            raise Missing(
                f"SIGTERM to your program does not end `sleep` inside ({why}): pass signals on to PID 1, and have "
                "PID 1 "
                "pass them on to the command, which is its child"
            )
        done = running.end()
    bench.nothing_is_left()
    if done.code not in (128 + signal.SIGTERM, -signal.SIGTERM):
        raise Missing(f"SIGTERM ended the command, your program ended with {done.code}: a shell says 128 + 15 = 143")
    bench.ok("SIGTERM gets through to the command")
