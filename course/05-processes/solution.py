#!/usr/bin/env python3
"""Stage 5: a host name, IPC and processes of its own, and a PID 1 that does its work.

    python3 stage5.py ROOTFS COMMAND [ARGUMENT...]

The command is looked for inside.
"""

import ctypes
import os
import signal
import socket
import stat
import sys
import warnings  # noqa: F401 (os.execvpe imports it, and would look for it inside)

# <linux/sched.h>, <linux/mount.h>
CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWPID = 0x20000, 0x4000000, 0x8000000, 0x20000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_BIND, MS_REC, MS_PRIVATE, MNT_DETACH = 0x1000, 0x4000, 0x40000, 2
# Name: major and minor number (Documentation/admin-guide/devices.txt of the kernel).
DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}
PASSED_ON = {signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2}
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
    mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    mount("sysfs", "sys", "sysfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC)
    mount("tmpfs", "dev", "tmpfs", MS_NOSUID, "mode=755,size=64k")
    os.umask(0)  # mknod(2) takes it off the mode, and only root could write to null
    for name, number in DEVICES.items():
        os.mknod(f"dev/{name}", 0o666 | stat.S_IFCHR, os.makedev(*number))
    os.umask(0o022)
    for name, kind, options in (("pts", "devpts", "ptmxmode=666,mode=620"), ("shm", "tmpfs", "mode=1777,size=64m")):
        os.mkdir(f"dev/{name}")
        mount(kind, f"dev/{name}", kind, MS_NOSUID | MS_NOEXEC, options)
    links = {"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}
    for name, target in links.items():
        os.symlink(target, f"dev/{name}")


def enter(rootfs):
    """Make the directory `rootfs` this process's "/". The namespace of mounts is ours already."""
    mount(rootfs, rootfs, None, MS_BIND | MS_REC)
    os.chdir(rootfs)
    furnish()
    call("pivot_root", ".", ".")  # the old root is now mounted over the new one, at the same place
    call("umount2", ".", MNT_DETACH)
    os.chdir("/")


def attend(child):
    """Pass on every signal to `child`, reap whoever ends, and return the exit code of `child`."""
    # [hole] Wait for signals (sigwait). SIGCHLD: reap all who have ended, return if the child has. Others: pass on.
    while True:
        number = signal.sigwait(PASSED_ON | {signal.SIGCHLD})
        if number != signal.SIGCHLD:
            os.kill(child, number)
            continue
        while (ended := os.waitpid(-1, os.WNOHANG)) != (0, 0):
            if ended[0] == child:
                return exit_code(ended[1])
    # [end]


def become_first(rootfs, command):
    """What the new process namespace's PID 1 does. Never returns."""
    # [hole] Take namespaces of mounts, host name and IPC of your own, and set the host name.
    call("unshare", CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC)
    socket.sethostname("course")
    # [end]
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    enter(rootfs)
    # [hole] Run the command as a child, since the kernel gives PID 1 no signal that it does not wait for; then attend.
    child = os.fork()
    if child == 0:
        execute(command)
    os._exit(attend(child))  # the kernel kills whoever is left in the namespace
    # [end]


def execute(command):
    """Become `command`: the same process, another program. Never returns."""
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
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
    signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON | {signal.SIGCHLD})  # they wait until we ask for them
    # [hole] Have the next child be PID 1 of a new process namespace (unshare), and fork it.
    call("unshare", CLONE_NEWPID)
    child = os.fork()
    if child == 0:
        become_first(rootfs, command)
    # [end]
    sys.exit(attend(child))


if __name__ == "__main__":
    main()
