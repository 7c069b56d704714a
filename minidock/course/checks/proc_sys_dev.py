"""Stage 4: what programs expect in every root."""

from __future__ import annotations

import os
import stat

from minidock.course.bench import WAIT, Bench, read
from minidock.course.checks.changed_root import exit_code_passes
from minidock.course.checks.pivoted_root import begun, root_is_its_own
from minidock.course.missing import Missing

_DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}
_LINKS = {"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"}
_READ_WRITE = 0o666
_USE = "echo >/dev/null && head -c 1 /dev/zero >/dev/null && test -e /dev/fd/0 && echo works || echo fails;"


def check(bench: Bench) -> None:
    """See the module."""
    before = bench.mounts()
    with bench.start(bench.rootfs, command=["sh", "-c", f"{_USE} {WAIT}"]) as running:
        said = begun(bench, running, before)
        root_is_its_own(bench, running.pid, before)
        file_systems(bench, running.pid)
        devices(bench, running.pid, works="works" in said)
        running.end()
    exit_code_passes(bench, bench.rootfs)
    bench.nothing_is_left()
    bench.ok("nothing is left")


def file_systems(bench: Bench, pid: int) -> None:
    """Check /proc and /sys."""
    found = {}
    for line in read(f"/proc/{pid}/mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        found[before.split()[4]] = (
            after.split()[0],
            set(before.split()[5].split(",")) | set(after.split()[2].split(",")),
        )
    for place, kind in (("/proc", "proc"), ("/sys", "sysfs")):
        if found.get(place, ("",))[0] != kind:
            raise Missing(
                f"no {kind} is mounted on {place} (/proc/PID/mountinfo): mount it before pivot_root, or after"
            )
    if "ro" not in found["/sys"][1]:
        raise Missing("/sys can be written to, and it is the machine's: mount it with MS_RDONLY")
    if not {"nosuid", "nodev", "noexec"} <= found["/proc"][1]:
        raise Missing(
            "/proc is mounted without nosuid, nodev, noexec: nothing in it is to be executed or opened as a device"
        )
    bench.ok("/proc and /sys are there, the second one read-only")


def devices(bench: Bench, pid: int, *, works: bool) -> None:
    """Check /dev: nodes, modes, links, terminals, shared memory."""
    dev = f"/proc/{pid}/root/dev"
    for name, number in _DEVICES.items():
        try:
            found = os.stat(f"{dev}/{name}")
        except OSError:
            raise Missing(f"there is no /dev/{name}: os.mknod, or a bind mount of the host's") from None
        if not stat.S_ISCHR(found.st_mode) or found.st_rdev != os.makedev(*number):
            raise Missing(f"/dev/{name} is not the character device {number[0]}:{number[1]}")
        if found.st_mode & _READ_WRITE != _READ_WRITE:
            raise Missing(
                f"/dev/{name} has mode {stat.S_IMODE(found.st_mode):o}, so only root can use it: mknod takes the "
                "umask off "
                "the mode: os.umask(0) before"
            )
    if not works:
        raise Missing(
            "/dev/null and /dev/zero cannot be used inside: is the mount below them MS_NODEV, or is /dev/fd missing?"
        )
    bench.ok("/dev has its devices, for everybody")
    for name, target in _LINKS.items():
        if not os.path.islink(f"{dev}/{name}"):
            raise Missing(f"there is no link /dev/{name}: os.symlink to {target}")
    mounted = {
        line.split()[4]: line.partition(" - ")[2].split()[0] for line in read(f"/proc/{pid}/mountinfo").splitlines()
    }
    if mounted.get("/dev/pts") != "devpts" or not os.path.lexists(f"{dev}/ptmx"):
        raise Missing("there are no terminals: mount a devpts on /dev/pts, and link /dev/ptmx to pts/ptmx")
    if not os.path.isdir(f"{dev}/shm") or stat.S_IMODE(os.stat(f"{dev}/shm").st_mode) != 0o1777:
        raise Missing(
            "/dev/shm is not a directory of mode 1777: mount a tmpfs there, where shm_open(3) makes its files"
        )
    bench.ok("/dev has its links, terminals and shared memory")
