#!/usr/bin/env python3
"""Stage 4: what programs expect in every root: proc, sys, dev.

    python3 stage4.py ROOTFS COMMAND [ARGUMENT...]

The command is looked for inside.
"""

import ctypes
import os
import signal
import stat
import sys
import warnings  # noqa: F401 (os.execvpe imports it, and would look for it inside)

# <linux/sched.h>, <linux/mount.h>
CLONE_NEWNS = 0x20000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_BIND, MS_REC, MS_PRIVATE, MNT_DETACH = 0x1000, 0x4000, 0x40000, 2
# Name: major and minor number (Documentation/admin-guide/devices.txt of the kernel).
DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "TERM": "xterm"}

libc = ctypes.CDLL(None, use_errno=True)


def call(name, *arguments):
    """Call a function of the C library that Python does not have; raise OSError where it returns -1."""
    if getattr(libc, name)(*(os.fsencode(a) if isinstance(a, str) else a for a in arguments)) == -1:
        raise OSError(ctypes.get_errno(), f"{name}{arguments}: {os.strerror(ctypes.get_errno())}")


def mount(source, target, kind=None, flags=0, data=None):
    """mount(2)."""
    call("mount", source, target, kind, ctypes.c_ulong(flags), data)


def furnish():
    """Mount what programs expect in every root, below the working directory."""
    # [hole] Mount a proc on proc, and a sysfs on sys, read-only: that one shows the machine.
    mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    mount("sysfs", "sys", "sysfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC)
    # [end]
    # [hole] Mount a tmpfs on dev, and make the nodes of DEVICES in it, which everybody may read and write.
    mount("tmpfs", "dev", "tmpfs", MS_NOSUID, "mode=755,size=64k")
    os.umask(0)  # mknod(2) takes it off the mode, and only root could write to null
    for name, number in DEVICES.items():
        os.mknod(f"dev/{name}", 0o666 | stat.S_IFCHR, os.makedev(*number))
    os.umask(0o022)
    # [end]
    # [hole] Mount a devpts on dev/pts and a tmpfs on dev/shm; link ptmx to pts/ptmx, fd to /proc/self/fd, stdin, ...
    for name, kind, options in (("pts", "devpts", "ptmxmode=666,mode=620"), ("shm", "tmpfs", "mode=1777,size=64m")):
        os.mkdir(f"dev/{name}")
        mount(kind, f"dev/{name}", kind, MS_NOSUID | MS_NOEXEC, options)
    links = {"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}
    for name, target in links.items():
        os.symlink(target, f"dev/{name}")
    # [end]


def enter(rootfs):
    """Make the directory `rootfs` this process's "/", in a mount namespace of its own."""
    call("unshare", CLONE_NEWNS)
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    mount(rootfs, rootfs, None, MS_BIND | MS_REC)
    os.chdir(rootfs)
    furnish()
    call("pivot_root", ".", ".")  # the old root is now mounted over the new one, at the same place
    call("umount2", ".", MNT_DETACH)
    os.chdir("/")


def execute(command):
    """Become `command`: the same process, another program. Never returns."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        os.execvpe(command[0], command, ENVIRONMENT)
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr, flush=True)
        os._exit(127 if isinstance(error, FileNotFoundError) else 126)  # this is a copy: never back into main


def exit_code(status):
    """What a shell would say of a process that ended with `status` (wait(2))."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def main():
    rootfs, *command = sys.argv[1:]
    child = os.fork()
    if child == 0:
        enter(rootfs)
        execute(command)
    _, status = os.waitpid(child, 0)
    sys.exit(exit_code(status))


if __name__ == "__main__":
    main()
