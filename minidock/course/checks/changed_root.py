"""Stage 2: the command's "/" is the directory that was named, and nothing of the outside is held open."""

from __future__ import annotations

import os
import stat

from minidock.course.bench import WAIT, Bench, escape, inside, same_file
from minidock.course.missing import Missing

_MEANT = 7


def check(bench: Bench) -> None:
    """See the module."""
    with bench.start(bench.rootfs, command=["sh", "-c", WAIT]) as running:
        running.lines()
        pid = running.pid
        if not same_file(f"/proc/{pid}/root", bench.rootfs):
            raise Missing(f"the command's root is {os.readlink(f'/proc/{pid}/root')}: os.chroot(rootfs) before exec")
        bench.ok("the command's root is the directory")
        nothing_outside(pid)
        bench.ok("no way leads outside but for those who look for one")
        reached = inside(pid, escape)
        host = os.stat("/")
        if reached == f"{host.st_dev}:{host.st_ino}":
            bench.ok("the escape reaches the host's /, as from every chroot: stage 3 is about that")
        running.end()
    exit_code_passes(bench, bench.rootfs)
    bench.nothing_is_left()
    bench.ok("nothing is left")


def nothing_outside(pid: int) -> None:
    """Check that neither the working directory nor a descriptor leads to a directory outside of the root."""
    if not same_file(f"/proc/{pid}/cwd", f"/proc/{pid}/root"):
        where = os.readlink(f"/proc/{pid}/cwd")
        raise Missing(
            f"the command's working directory is still {where}, outside of its root, where `cat ../../etc/shadow` "
            "reads the "
            'host\'s: os.chdir("/") after the change of root'
        )
    for number in os.listdir(f"/proc/{pid}/fd"):
        path = f"/proc/{pid}/fd/{number}"
        if stat.S_ISDIR(os.stat(path).st_mode) and int(number) > 2:
            raise Missing(
                f"descriptor {number} leads to the directory {os.readlink(path)} outside: close it before exec"
            )


def exit_code_passes(bench: Bench, *arguments: str) -> None:
    """Check that the exit code of the command is still the program's."""
    done = bench.run(*arguments, command=["sh", "-c", f"exit {_MEANT}"])
    if done.code != _MEANT:
        raise Missing(f"the command ended with {_MEANT}, your program with {done.code}{done.said}")
    bench.ok("its exit code is yours")
