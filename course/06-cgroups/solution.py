#!/usr/bin/env python3
"""Stage 6: limits: a control group.

    python3 stage6.py [--memory BYTES] [--pids NUMBER] ROOTFS COMMAND [ARGUMENT...]

The command is looked for inside.
"""

import argparse
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


def make_cgroup(limits):
    """A new cgroup with `limits` ({"memory.max": "67108864", ...}); returns its directory (cgroups(7))."""
    with open("/proc/self/mounts") as mounts:
        top = next(fields[1] for fields in map(str.split, mounts) if fields[2] == "cgroup2")
    # [hole] Make a directory below `top`, have `top` hand down the controllers to it, write the limits into its files.
    group = f"{top}/course-{os.getpid()}"
    os.mkdir(group)
    for name, value in limits.items():
        write(f"{top}/cgroup.subtree_control", f"+{name.partition('.')[0]}")
        write(f"{group}/{name}", value)
    return group
    # [end]


def write(path, text):
    """Write to one of the kernel's files."""
    with open(path, "w") as file:
        file.write(text)


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
    while True:
        number = signal.sigwait(PASSED_ON | {signal.SIGCHLD})
        if number != signal.SIGCHLD:
            os.kill(child, number)
            continue
        while (ended := os.waitpid(-1, os.WNOHANG)) != (0, 0):
            if ended[0] == child:
                return exit_code(ended[1])


def become_first(options, group):
    """What the new process namespace's PID 1 does. Never returns."""
    # [hole] Join the cgroup before anything else: what is forked before is outside of it.
    write(f"{group}/cgroup.procs", "0")  # "0" is whoever writes
    # [end]
    call("unshare", CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC)
    socket.sethostname("course")
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    enter(options.rootfs)
    child = os.fork()
    if child == 0:
        execute(options.command)
    os._exit(attend(child))  # the kernel kills whoever is left in the namespace


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


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--memory", metavar="BYTES", help="how much memory all processes together may have")
    parser.add_argument("--pids", metavar="NUMBER", help="how many processes there may be")
    parser.add_argument("rootfs")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    return parser.parse_args()


def main():
    options = arguments()
    signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON | {signal.SIGCHLD})  # they wait until we ask for them
    # [hole] Make the cgroup with the limits that are asked for (and no swap, or memory only goes there).
    limits = {"memory.max": options.memory, "memory.swap.max": options.memory and "0", "pids.max": options.pids}
    group = make_cgroup({name: value for name, value in limits.items() if value})
    # [end]
    call("unshare", CLONE_NEWPID)
    child = os.fork()
    if child == 0:
        become_first(options, group)
    code = attend(child)
    # [hole] Remove the cgroup.
    os.rmdir(group)
    # [end]
    sys.exit(code)


if __name__ == "__main__":
    main()
