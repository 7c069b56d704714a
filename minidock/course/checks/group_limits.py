"""Stage 6: a control group of its own, with its limits, which the kernel enforces, and which goes at the end."""

from __future__ import annotations

import os

from minidock.course import sandbox
from minidock.course.bench import WAIT, Bench, Running, eventually, members, read
from minidock.course.checks.changed_root import exit_code_passes
from minidock.course.checks.first_process import namespaces
from minidock.course.missing import Missing
from minidock.linux import cgroups

_MEMORY = str(64 << 20)
_PIDS = "20"
_FORKS = "for n in $(seq 40); do sleep 3 & done; wait"
_PATIENCE = 5.0  # seconds


def check(bench: Bench) -> None:
    """See the module."""
    before = _groups()
    missing = _unavailable()
    limits = [] if missing else ["--memory", _MEMORY, "--pids", _PIDS]
    with bench.start(*limits, bench.rootfs, command=["sh", "-c", WAIT]) as running:
        running.lines()
        namespaces(bench, running.pid)
        group = _own_group(bench, running)
        if not missing:
            _files(bench, group)
        running.end()
    _gone(bench, before)
    exit_code_passes(bench, bench.rootfs)
    if missing:
        bench.skip(
            f"limits: this kernel's cgroup v2 tree has no controller {', '.join(missing)}: it is in the "
            "hierarchies of version "
            "1 (boot with cgroup_no_v1=all, or systemd.unified_cgroup_hierarchy=1)"
        )
    else:
        _enforced(bench)
    bench.nothing_is_left()
    bench.ok("nothing is left")


def _unavailable() -> list[str]:
    if not os.path.exists(f"{sandbox.GROUPS}/cgroup.controllers"):
        raise Missing("this machine has no cgroup v2 hierarchy: mount -t cgroup2 none /sys/fs/cgroup, then check again")
    return sorted(set(sandbox.CONTROLLERS) - cgroups.available(sandbox.GROUPS))


def _groups() -> set[str]:
    return {directory for directory, _, _ in os.walk(sandbox.GROUPS)}


def _own_group(bench: Bench, running: Running) -> str:
    """The directory of the cgroup in which all processes inside are, and the student's program is not."""
    path = cgroups.path_of(running.pid)
    if path == cgroups.path_of(running.process.pid):
        raise Missing(
            "the command is in the cgroup of your program (/proc/PID/cgroup): write to cgroup.procs of a new one"
        )
    for pid in members(running.pid):
        if cgroups.path_of(pid) != path:
            raise Missing(
                f"PID {pid}, {read(f'/proc/{pid}/comm').strip()}, is inside, but not in the cgroup: join it in "
                "the child, before "
                "anything else: what was forked before stays outside"
            )
    bench.ok("all that runs inside is in one cgroup of its own")
    return sandbox.GROUPS + path


def _files(bench: Bench, group: str) -> None:
    """Check the limits in the kernel's files (cgroup-v2.rst)."""
    for name, wanted, why in (
        ("memory.max", _MEMORY, "the bytes that --memory names"),
        ("pids.max", _PIDS, "the number that --pids names"),
        ("memory.swap.max", "0", "or what is over the limit only goes to the swap"),
    ):
        if not os.path.exists(f"{group}/{name}"):
            if name == "memory.swap.max":  # a kernel without swap
                continue
            raise Missing(
                f"{group} has no {name}: write +{name.partition('.')[0]} to cgroup.subtree_control of the one above"
            )
        found = read(f"{group}/{name}").strip()
        if found != wanted:
            raise Missing(f"{name} is {found}, not {wanted}: {why}")
    bench.ok("the limits are in its files")


def _enforced(bench: Bench) -> None:
    done = bench.run("--pids", _PIDS, bench.rootfs, command=["sh", "-c", _FORKS])
    if "fork" not in done.errors:
        raise Missing("40 processes with --pids 20 were no trouble: are they in the cgroup?")
    bench.ok("no more processes than allowed")
    done = bench.run("--memory", _MEMORY, bench.rootfs, command=["tail", "/dev/zero"])
    if done.code not in (137, -9):
        raise Missing(
            f"a program that wants all memory ended with {done.code}{done.said}, not killed (137) by the kernel"
        )
    bench.ok("no more memory than allowed: the kernel kills")


def _gone(bench: Bench, before: set[str]) -> None:
    if not eventually(lambda: _groups() <= before, _PATIENCE):
        left = sorted(_groups() - before)[0]
        raise Missing(f"the cgroup {left} is still there after the end: os.rmdir it, when its last process has ended")
    bench.ok("the cgroup goes with the container")
