#!/usr/bin/env python3
"""Stage 10: what root inside may not do: capabilities, no_new_privs, seccomp.

    python3 stage10.py [--memory BYTES] [--pids NUMBER] LAYER[:LAYER...] COMMAND [ARGUMENT...]

The bottom layer comes first, as in an image's manifest.
"""

import argparse
import ctypes
import errno
import os
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import warnings  # noqa: F401 (os.execvpe imports it, and would look for it inside)

import prctl
from pyroute2 import IPRoute

# <linux/sched.h>, <linux/mount.h>
CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x20000, 0x4000000, 0x8000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REC, MS_PRIVATE, MNT_DETACH = 0x4000, 0x40000, 2
# Number inside, number on the host, how many: root inside is the host's user 100000, who owns nothing.
OUTSIDE = 100000
ID_MAP = f"0 {OUTSIDE} 65536"
# Name: major and minor number (Documentation/admin-guide/devices.txt of the kernel).
DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}
# <linux/prctl.h>, <linux/capability.h>
PR_SET_SECCOMP, PR_CAPBSET_DROP, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 22, 24, 47, 4
CAPABILITY_VERSION_3 = 0x20080522
# docker's fourteen: chown, dac_override, fowner, fsetid, kill, setgid, setuid, setpcap, net_bind_service, net_raw,
# sys_chroot, mknod, audit_write, setfcap (capabilities(7)).
KEPT = {0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31}
# <linux/seccomp.h>, <linux/bpf_common.h>
SECCOMP_MODE_FILTER, SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_ERRNO, SECCOMP_RET_ALLOW = 2, 0x80000000, 0x50000, 0x7FFF0000
BPF_LOAD, BPF_JUMP_IF_EQUAL, BPF_JUMP_IF_AT_LEAST, BPF_RETURN, X32_BIT = 0x20, 0x15, 0x35, 0x06, 0x40000000
# Architecture, and the numbers of mount, umount2, pivot_root, unshare, setns, ptrace, keyctl, bpf, init_module,
# finit_module, kexec_load, reboot, swapon, settimeofday, open_tree, move_mount, mount_setattr (<asm/unistd.h>).
REFUSED = {
    "x86_64": (0xC000003E, (165, 166, 155, 272, 308, 101, 250, 321, 175, 313, 246, 169, 167, 164, 428, 429, 442)),
    "aarch64": (0xC00000B7, (40, 39, 41, 97, 268, 117, 219, 280, 105, 273, 104, 142, 224, 170, 428, 429, 442)),
}
BRIDGE, SUBNET = "course0", "10.77.0"
PASSED_ON = {signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2}
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "TERM": "xterm"}
# What nft(8) is told. The first two lines make it work however often it is said.
NAT = f"""
table ip course
delete table ip course
table ip course {{
    chain postrouting {{
        type nat hook postrouting priority srcnat;
        ip saddr {SUBNET}.0/24 oifname != "{BRIDGE}" masquerade
    }}
}}"""

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
    group = f"{top}/course-{os.getpid()}"
    os.mkdir(group)
    for name, value in limits.items():
        write(f"{top}/cgroup.subtree_control", f"+{name.partition('.')[0]}")
        write(f"{group}/{name}", value)
    return group


def write(path, text):
    """Write to one of the kernel's files."""
    with open(path, "w") as file:
        file.write(text)


def mount_layers(layers, scratch):
    """One tree of `layers` (the bottom one first), with all changes in a directory of `scratch`; returns its path."""
    for name in ("upper", "work", "merged"):
        os.mkdir(f"{scratch}/{name}")
    os.chown(f"{scratch}/upper", OUTSIDE, OUTSIDE)  # the tree has the topmost directory's owner
    lower = ":".join(os.path.abspath(layer) for layer in reversed(layers))
    options = f"lowerdir={lower},upperdir={scratch}/upper,workdir={scratch}/work"
    mount("overlay", f"{scratch}/merged", "overlay", 0, options)
    return f"{scratch}/merged"


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
    os.chdir(rootfs)
    furnish()
    call("pivot_root", ".", ".")  # the old root is now mounted over the new one, at the same place
    call("umount2", ".", MNT_DETACH)
    os.chdir("/")


def map_users(pid):
    """Map the users and groups of the process's new user namespace. Done from outside, by the host's root."""
    for kind in ("uid", "gid"):
        write(f"/proc/{pid}/{kind}_map", ID_MAP)


def leave_root(parent):
    """Become root of a user namespace, and so nobody outside of it. `parent` is a socket whose other end maps."""
    call("unshare", CLONE_NEWUSER)
    ask(parent, b"users")
    os.setgroups([])
    os.setresgid(0, 0, 0)  # until here this is still the host's root, who has no number in the map
    os.setresuid(0, 0, 0)


def ask(parent, what):
    """Ask the parent to do something from outside, and wait until it is done."""
    parent.send(what)
    if parent.recv(16) != b"done":
        os._exit(1)


def connect(pid):
    """From outside: a cable (veth) from the bridge into the network namespace of `pid`, and the way out."""
    with IPRoute() as host:
        if not host.link_lookup(ifname=BRIDGE):
            host.link("add", ifname=BRIDGE, kind="bridge")
            host.addr("add", index=host.link_lookup(ifname=BRIDGE)[0], address=f"{SUBNET}.1", prefixlen=24)
        bridge = host.link_lookup(ifname=BRIDGE)[0]
        host.link("set", index=bridge, state="up")
        host.link("add", ifname=f"veth{pid}", kind="veth", peer={"ifname": "eth0", "net_ns_pid": pid})
        host.link("set", index=host.link_lookup(ifname=f"veth{pid}")[0], master=bridge, state="up")
    write("/proc/sys/net/ipv4/ip_forward", "1")
    subprocess.run(["nft", "-f", "-"], input=NAT, text=True, check=True)


def configure(address):
    """From inside: addresses, and the route to everywhere else."""
    with IPRoute() as inside:
        inside.link("set", index=inside.link_lookup(ifname="lo")[0], state="up")
        card = inside.link_lookup(ifname="eth0")[0]
        inside.addr("add", index=card, address=address, prefixlen=24)
        inside.link("set", index=card, state="up")
        inside.route("add", gateway=f"{SUBNET}.1")


def drop_power():
    """Give up for good what a container does not need."""
    # [hole] Drop all other capabilities: from the bounding set first, which is what execve gives root back.
    for number in range(last_capability() + 1):
        if number not in KEPT:
            call("prctl", PR_CAPBSET_DROP, number, 0, 0, 0)
    call("prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    mask = sum(1 << number for number in KEPT)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    call("capset", struct.pack("Ii", CAPABILITY_VERSION_3, 0), struct.pack("6I", low, low, 0, high, high, 0))
    # [end]
    # [hole] Set no_new_privs: no set-uid program helps. Then install the filter.
    prctl.set_no_new_privs(1)
    program = bpf_program(REFUSED[os.uname().machine])
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
    call("prctl", PR_SET_SECCOMP, SECCOMP_MODE_FILTER, header, 0, 0)
    # [end]


def last_capability():
    """The number of the newest capability that this kernel knows."""
    with open("/proc/sys/kernel/cap_last_cap") as file:
        return int(file.read())


def bpf_program(calls):
    """A filter in BPF that answers EPERM to the system calls with these numbers, and lets all others pass."""
    architecture, numbers = calls
    # [hole] Kill what calls by another architecture's numbers, refuse the listed calls, allow the rest.
    code = [
        (BPF_LOAD, 0, 0, 4),  # struct seccomp_data: the architecture is at 4, the call's number at 0
        (BPF_JUMP_IF_EQUAL, 1, 0, architecture),
        (BPF_RETURN, 0, 0, SECCOMP_RET_KILL_PROCESS),  # or the refused calls would be had by their other numbers
        (BPF_LOAD, 0, 0, 0),
        (BPF_JUMP_IF_AT_LEAST, 0, 1, X32_BIT),
        (BPF_RETURN, 0, 0, SECCOMP_RET_KILL_PROCESS),
    ]
    for number in numbers:
        code += [(BPF_JUMP_IF_EQUAL, 0, 1, number), (BPF_RETURN, 0, 0, SECCOMP_RET_ERRNO | errno.EPERM)]
    code.append((BPF_RETURN, 0, 0, SECCOMP_RET_ALLOW))
    return b"".join(struct.pack("HBBI", *instruction) for instruction in code)
    # [end]


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


def become_first(options, group, scratch, parent, parent_pid):
    """What the new process namespace's PID 1 does. Never returns."""
    write(f"{group}/cgroup.procs", "0")  # "0" is whoever writes
    call("unshare", CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET)
    ask(parent, b"network")
    configure(f"{SUBNET}.{2 + parent_pid % 250}")  # a real engine keeps a list of those that are taken
    socket.sethostname("course")
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    enter(mount_layers(options.layers.split(":"), scratch))
    leave_root(parent)
    parent.close()
    # [hole] Give up power, as late as possible: what is above needs it.
    drop_power()
    # [end]
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
    parser.add_argument("layers")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    return parser.parse_args()


def serve(child, child_end):
    """Do from outside what the child asks for, until it has closed its end."""
    tasks = {b"network": connect, b"users": map_users}
    while task := tasks.get(child_end.recv(16)):
        task(child)
        child_end.send(b"done")


def main():
    options = arguments()
    signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON | {signal.SIGCHLD})  # they wait until we ask for them
    limits = {"memory.max": options.memory, "memory.swap.max": options.memory and "0", "pids.max": options.pids}
    group = make_cgroup({name: value for name, value in limits.items() if value})
    scratch = tempfile.mkdtemp(prefix="course-")
    ours, theirs = socket.socketpair()
    parent_pid = os.getpid()
    call("unshare", CLONE_NEWPID)
    child = os.fork()
    if child == 0:
        ours.close()
        become_first(options, group, scratch, theirs, parent_pid)
    theirs.close()
    serve(child, ours)
    code = attend(child)
    os.rmdir(group)
    shutil.rmtree(scratch)
    sys.exit(code)


if __name__ == "__main__":
    main()
