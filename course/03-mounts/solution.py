#!/usr/bin/env python3
"""Stage 3: a root that cannot be left: a mount namespace and pivot_root.

    python3 stage3.py ROOTFS COMMAND [ARGUMENT...]

The command is looked for inside.
"""

import ctypes
import os
import signal
import sys
import warnings  # noqa: F401 (os.execvpe imports it, and would look for it inside)

# <linux/sched.h>, <linux/mount.h>
CLONE_NEWNS = 0x20000
MS_BIND, MS_REC, MS_PRIVATE, MNT_DETACH = 0x1000, 0x4000, 0x40000, 2
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "TERM": "xterm"}

libc = ctypes.CDLL(None, use_errno=True)


def call(name, *arguments):
    """Call a function of the C library that Python does not have; raise OSError where it returns -1."""
    if getattr(libc, name)(*(os.fsencode(a) if isinstance(a, str) else a for a in arguments)) == -1:
        raise OSError(ctypes.get_errno(), f"{name}{arguments}: {os.strerror(ctypes.get_errno())}")


def mount(source, target, kind=None, flags=0, data=None):
    """mount(2)."""
    call("mount", source, target, kind, ctypes.c_ulong(flags), data)


def enter(rootfs):
    """Make the directory `rootfs` this process's "/", in a mount namespace of its own."""
    # [hole] Take a mount namespace of your own (unshare), and keep what is mounted here from reaching the host's.
    call("unshare", CLONE_NEWNS)
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    # [end]
    # [hole] Make rootfs a mount, as pivot_root wants one; change to it; pivot_root; unmount the old root; chdir to "/".
    mount(rootfs, rootfs, None, MS_BIND | MS_REC)
    os.chdir(rootfs)
    call("pivot_root", ".", ".")  # the old root is now mounted over the new one, at the same place
    call("umount2", ".", MNT_DETACH)
    os.chdir("/")
    # [end]


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
