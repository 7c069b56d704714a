"""Stage 3: mounts of its own, the old root gone, the host's mounts as they were, and no escape."""

from __future__ import annotations

import os

from minidock.course.bench import WAIT, Bench, Running, escape, inside, namespace, read
from minidock.course.checks.changed_root import exit_code_passes, nothing_outside
from minidock.course.missing import Missing


def check(bench: Bench) -> None:
    """See the module."""
    before = bench.mounts()
    with bench.start(bench.rootfs, command=["sh", "-c", WAIT]) as running:
        begun(bench, running, before)
        root_is_its_own(bench, running.pid, before)
        running.end()
    exit_code_passes(bench, bench.rootfs)
    bench.nothing_is_left()
    bench.ok("nothing is left")


def begun(bench: Bench, running: Running, before: list[str]) -> list[str]:
    """What the command has printed until it is ready; if it never is, look first whether mounts have spread."""
    try:
        return running.lines()
    except Missing:
        host_is_as_before(bench, before)
        raise


def root_is_its_own(bench: Bench, pid: int, before: list[str]) -> None:
    """Check the mount namespace of a process; `before` is what the host had mounted before."""
    if namespace(pid, "mnt") == namespace(bench.host, "mnt"):
        raise Missing(
            "the command has the host's mount namespace (/proc/PID/ns/mnt): unshare(CLONE_NEWNS) in the child"
        )
    host_is_as_before(bench, before)
    bench.ok("it has mounts of its own, and the host's are as they were")
    host_root = before[0].split()[2:4]
    for line in read(f"/proc/{pid}/mountinfo").splitlines():
        fields = line.split()
        if fields[2:4] == host_root:
            raise Missing(
                f"the host's root is still mounted at {fields[4]} inside: umount2 it with MNT_DETACH after pivot_root"
            )
    if os.listdir(f"/proc/{pid}/root") == [] or not os.path.exists(f"/proc/{pid}/root/bin"):
        raise Missing("the command's root is not the directory that was named: pivot_root into it")
    nothing_outside(pid)
    there = os.stat(f"/proc/{pid}/root")
    if inside(pid, escape) != f"{there.st_dev}:{there.st_ino}":
        raise Missing("the escape of stage 2 still reaches the host's files: chroot is not enough, pivot_root is")
    bench.ok("the host's files are gone from it, and the escape ends in its own /")


def host_is_as_before(bench: Bench, before: list[str]) -> None:
    """Check that nothing was mounted on the host, nor unmounted."""
    now = bench.mounts()
    if not now or now == before:
        return
    added = [line.split()[4] for line in now if line not in before]
    gone = [line.split()[4] for line in before if line not in now]
    what = f"{added[0]} is now mounted there" if added else f"{gone[0]} is gone there"
    raise Missing(
        f"the host's mounts have changed ({what}): mounts spread to where the namespace came from, as systemd has them "
        'shared: mount(None, "/", None, MS_REC | MS_PRIVATE) first'
    )
