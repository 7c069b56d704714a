#!/usr/bin/env python3
"""The last exercise: stage 10 in the shape of runc, so that docker and minidock can call it.

    mine.py [--root DIR] create --bundle DIR [--pid-file FILE] [--console-socket SOCKET] ID
    mine.py [--root DIR] start ID | state ID | kill ID [SIGNAL] | delete [--force] ID | run --bundle DIR ID

Layers and networks are gone: they are the engine's work. What to do stands in the bundle's config.json
(OCI runtime specification).
"""

import argparse
import array  # noqa: F401 (socket.send_fds imports it, and would look for it inside)
import contextlib
import ctypes
import errno
import fcntl
import json
import os
import select
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import termios
import time
import warnings  # noqa: F401 (os.execvpe imports it)

import prctl

# <linux/sched.h>: the namespaces by their names in config.json
NAMESPACES = {"mount": 0x20000, "cgroup": 0x2000000, "uts": 0x4000000, "ipc": 0x8000000, "pid": 0x20000000,
              "network": 0x40000000}  # fmt: skip
# <linux/mount.h>: options by their names in config.json; all others are for the file system
OPTIONS = {"ro": 1, "nosuid": 2, "nodev": 4, "noexec": 8, "noatime": 1024, "bind": 4096, "rbind": 20480,
           "relatime": 1 << 21, "strictatime": 1 << 24, "rw": 0}  # fmt: skip
MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE, MNT_DETACH = 32, 4096, 0x4000, 0x40000, 2
PROPAGATION = {"private", "rprivate", "slave", "rslave", "shared", "rshared"}  # all is private here
DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}
LINKS = {"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}
# <linux/prctl.h>, <linux/capability.h>, <linux/seccomp.h>, <linux/bpf_common.h>
PR_SET_SECCOMP, PR_CAPBSET_DROP, CAPABILITY_VERSION_3 = 22, 24, 0x20080522
SECCOMP_MODE_FILTER, SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_ERRNO, SECCOMP_RET_ALLOW = 2, 0x80000000, 0x50000, 0x7FFF0000
BPF_LOAD, BPF_JUMP_IF_EQUAL, BPF_JUMP_IF_AT_LEAST, BPF_RETURN, X32_BIT = 0x20, 0x15, 0x35, 0x06, 0x40000000
# Architecture, and mount, umount2, pivot_root, unshare, setns, ptrace, keyctl, bpf, init_module, finit_module,
# kexec_load, reboot, swapon, settimeofday, open_tree, move_mount, mount_setattr (<asm/unistd.h>).
REFUSED = {
    "x86_64": (0xC000003E, (165, 166, 155, 272, 308, 101, 250, 321, 175, 313, 246, 169, 167, 164, 428, 429, 442)),
    "aarch64": (0xC00000B7, (40, 39, 41, 97, 268, 117, 219, 280, 105, 273, 104, 142, 224, 170, 428, 429, 442)),
}

libc = ctypes.CDLL(None, use_errno=True)


def call(name, *arguments):
    """Call a function of the C library that Python does not have; raise OSError where it returns -1."""
    if getattr(libc, name)(*(os.fsencode(a) if isinstance(a, str) else a for a in arguments)) == -1:
        raise OSError(ctypes.get_errno(), f"{name}{arguments}: {os.strerror(ctypes.get_errno())}")


def mount(source, target, kind=None, flags=0, data=None):
    """mount(2)."""
    call("mount", source, target, kind, ctypes.c_ulong(flags), data)


def write(path, text):
    """Write to one of the kernel's files."""
    with open(path, "w") as file:
        file.write(text)


def make_cgroup(linux):
    """The container's cgroup with its limits; returns its directory."""
    with open("/proc/self/mounts") as mounts:
        top = next(fields[1] for fields in map(str.split, mounts) if fields[2] == "cgroup2")
    group = top + os.path.normpath("/" + linux.get("cgroupsPath", f"course-{os.getpid()}").replace(":", "/"))
    os.makedirs(group, exist_ok=True)
    resources = linux.get("resources", {})
    for name in ("memory", "pids"):
        if (limit := resources.get(name, {}).get("limit") or 0) > 0:
            write(f"{os.path.dirname(group)}/cgroup.subtree_control", f"+{name}")
            write(f"{group}/{name}.max", str(limit))
    return group


def mount_all(mounts, bundle):
    """What config.json wants mounted, below the working directory, which is the new root."""
    for entry in mounts:
        target, words = entry["destination"].lstrip("/"), entry.get("options", [])
        if entry.get("type", "").startswith("cgroup"):
            continue  # a container need not see the groups
        flags = sum(OPTIONS.get(word, 0) for word in words)
        source = os.path.join(bundle, entry["source"]) if flags & MS_BIND else entry.get("source")
        if flags & MS_BIND and not os.path.isdir(source):
            os.makedirs(os.path.dirname(target) or ".", exist_ok=True)
            open(target, "a").close()
        else:
            os.makedirs(target, exist_ok=True)
        data = ",".join(word for word in words if word not in OPTIONS and word not in PROPAGATION)
        mount(source, target, entry.get("type"), flags, data)
        if flags & MS_BIND and flags & ~(MS_BIND | MS_REC):  # a bind takes no other flags but in a second call
            mount(None, target, None, flags & ~MS_REC | MS_REMOUNT)


def make_devices():
    """The nodes and links that every container has, in the /dev that is mounted."""
    os.umask(0)
    for name, number in DEVICES.items():
        os.mknod(f"dev/{name}", 0o666 | stat.S_IFCHR, os.makedev(*number))
    os.umask(0o022)
    for name, target in LINKS.items():
        os.symlink(target, f"dev/{name}")


def hide(linux, root):
    """Cover what nobody inside should read, and make read-only what nobody should write."""
    for path in filter(os.path.exists, linux.get("maskedPaths", [])):
        mount(*(("tmpfs", path, "tmpfs", 1) if os.path.isdir(path) else ("/dev/null", path, None, MS_BIND)))
    read_only = [path for path in linux.get("readonlyPaths", []) if os.path.exists(path)]
    for path in [*read_only, *(["/"] if root.get("readonly") else [])]:
        mount(path, path, None, MS_BIND | MS_REC)
        mount(None, path, None, MS_BIND | MS_REMOUNT | OPTIONS["ro"] | OPTIONS["nosuid"] * (path != "/"))


def take_terminal(console):
    """A terminal from the container's own devpts as our input and output; its other end goes to who asked."""
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for descriptor in (0, 1, 2):
        os.dup2(slave, descriptor)
    socket.send_fds(console, [b"/dev/ptmx"], [master])


def drop_power(process):
    """The user, the capabilities and no_new_privs that config.json wants, and a filter."""
    user, sets = process["user"], process.get("capabilities", {})
    kept = {getattr(prctl, name) for name in sets.get("bounding", []) if hasattr(prctl, name)}
    with open("/proc/sys/kernel/cap_last_cap") as file:
        last = int(file.read())
    for number in range(last + 1):
        if number not in kept:
            call("prctl", PR_CAPBSET_DROP, number, 0, 0, 0)
    os.setgroups(user.get("additionalGids", []))
    os.setresgid(user["gid"], user["gid"], user["gid"])
    os.setresuid(user["uid"], user["uid"], user["uid"])
    mask = sum(1 << number for number in kept) if user["uid"] == 0 else 0
    low, high = mask & 0xFFFFFFFF, mask >> 32
    call("capset", struct.pack("Ii", CAPABILITY_VERSION_3, 0), struct.pack("6I", low, low, 0, high, high, 0))
    prctl.set_no_new_privs(1)
    program = bpf_program(*REFUSED[os.uname().machine])
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
    call("prctl", PR_SET_SECCOMP, SECCOMP_MODE_FILTER, header, 0, 0)


def bpf_program(architecture, numbers):
    """A filter in BPF that answers EPERM to the system calls with these numbers, and lets all others pass."""
    code = [(BPF_LOAD, 0, 0, 4), (BPF_JUMP_IF_EQUAL, 1, 0, architecture), (BPF_RETURN, 0, 0, SECCOMP_RET_KILL_PROCESS)]
    code += [(BPF_LOAD, 0, 0, 0), (BPF_JUMP_IF_AT_LEAST, 0, 1, X32_BIT), (BPF_RETURN, 0, 0, SECCOMP_RET_KILL_PROCESS)]
    for number in numbers:
        code += [(BPF_JUMP_IF_EQUAL, 0, 1, number), (BPF_RETURN, 0, 0, SECCOMP_RET_ERRNO | errno.EPERM)]
    code.append((BPF_RETURN, 0, 0, SECCOMP_RET_ALLOW))
    return b"".join(struct.pack("HBBI", *instruction) for instruction in code)


def become_container(config, bundle, gate, parent, console):
    """What the container's first process does, until `start` opens its gate. Never returns."""
    process, linux = config["process"], config["linux"]
    os.setsid()
    wanted = {entry["type"]: entry.get("path") for entry in linux["namespaces"]}
    for kind, path in wanted.items():
        if path and kind != "pid":
            with open(path) as namespace:
                call("setns", namespace.fileno(), NAMESPACES[kind])
    call("unshare", sum(NAMESPACES[kind] for kind, path in wanted.items() if not path and kind != "pid"))
    parent.send(b"made")  # the namespaces are there: now the hooks may bring the network in
    parent.recv(16)
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    rootfs = os.path.join(bundle, config["root"]["path"])
    mount(rootfs, rootfs, None, MS_BIND | MS_REC)
    os.chdir(rootfs)
    mount_all(config.get("mounts", []), bundle)
    make_devices()
    call("pivot_root", ".", ".")
    call("umount2", ".", MNT_DETACH)
    os.chdir("/")
    if config.get("hostname") and "uts" in wanted:
        socket.sethostname(config["hostname"])
    hide(linux, config["root"])
    if process.get("terminal"):
        take_terminal(console)
    drop_power(process)
    os.chdir(process["cwd"])
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    environment = dict(entry.split("=", 1) for entry in process.get("env", []))
    if not shutil.which(process["args"][0], path=environment.get("PATH")):
        raise FileNotFoundError(f'exec: "{process["args"][0]}": executable file not found in $PATH')
    parent.send(b"ready")
    os.read(gate, 1)  # until `start`
    os.execvpe(process["args"][0], process["args"], environment)


def run_hooks(hooks, known):
    """Programs of the engine's that want to do something now, such as bring a network in. They read who it is for."""
    for hook in hooks.get("prestart", []) + hooks.get("createRuntime", []):
        environment = dict(entry.split("=", 1) for entry in hook.get("env", []))
        words = hook.get("args") or [hook["path"]]  # the first is what the program is to think that it is called
        subprocess.run(words, executable=hook["path"], input=json.dumps(known), text=True, env=environment, check=True)


def create(options, directory):
    """Make the container, up to the moment before its program runs; returns the pid of its first process."""
    bundle = os.path.abspath(options.bundle)
    with open(f"{bundle}/config.json") as file:
        config = json.load(file)
    os.makedirs(directory)
    os.mkfifo(f"{directory}/gate")
    group = make_cgroup(config["linux"])
    gate = os.open(f"{directory}/gate", os.O_RDWR)
    console = socket.socket(socket.AF_UNIX)
    if options.console_socket:
        console.connect(options.console_socket)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for entry in config["linux"]["namespaces"]:
        if entry["type"] == "pid" and entry.get("path"):
            with open(entry["path"]) as namespace:
                call("setns", namespace.fileno(), NAMESPACES["pid"])
        elif entry["type"] == "pid":
            call("unshare", NAMESPACES["pid"])
    pid = os.fork()
    if pid == 0:
        try:
            write(f"{group}/cgroup.procs", "0")
            become_container(config, bundle, gate, theirs, console)
        except Exception as error:
            theirs.send(str(error).encode())
        os._exit(1)
    theirs.close()
    known = {"ociVersion": "1.0.2", "id": options.id, "pid": pid, "bundle": bundle, "cgroup": group}
    write(f"{directory}/state.json", json.dumps(known))
    try:
        if (said := ours.recv(4096)) == b"made":
            run_hooks(config.get("hooks", {}), known | {"status": "creating"})
            ours.send(b"go")
            said = ours.recv(4096)
        if said != b"ready":
            raise OSError(said.decode() or "the first process died")
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        delete(directory, known)
        raise
    if options.pid_file:
        write(options.pid_file, str(pid))
    return pid


def status(directory, known):
    """What the kernel says of the container: created, running or stopped."""
    try:
        with open(f"/proc/{known['pid']}/stat") as file:
            alive = file.read().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        alive = False
    return ("created" if os.path.exists(f"{directory}/gate") else "running") if alive else "stopped"


def start(directory):
    """Open the gate."""
    with open(f"{directory}/gate", "wb") as gate:
        gate.write(b"x")
    os.unlink(f"{directory}/gate")


def delete(directory, known):
    """Forget a container whose processes have ended."""
    with contextlib.suppress(OSError):  # the engine may have removed it, or be in it
        os.rmdir(known["cgroup"])
    shutil.rmtree(directory)


def arguments():
    """The command line, as engines type it; flags that are not ours are skipped."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", default="/run/course")
    parser.add_argument("--log")
    parser.add_argument("--log-format")
    parser.add_argument("--systemd-cgroup", action="store_true")
    parser.add_argument("command", choices=["create", "start", "state", "kill", "delete", "run"])
    parser.add_argument("-b", "--bundle", default=".")
    for name in ("--pid-file", "--console-socket"):
        parser.add_argument(name)
    for name in ("--force", "--all"):
        parser.add_argument(name, action="store_true")
    parser.add_argument("id")
    parser.add_argument("signal", nargs="?", default="TERM")
    return parser.parse_known_args()[0]


def tell(options, problem):
    """Engines read what went wrong from the file that --log names; people from standard error."""
    if options.log:
        with open(options.log, "a") as file:
            file.write(json.dumps({"level": "error", "msg": str(problem), "time": time.strftime("%FT%TZ")}) + "\n")
    sys.exit(f"{os.path.basename(sys.argv[0])}: {problem}")


def main(options):
    directory = f"{options.root}/{options.id}"
    if options.command in ("create", "run"):
        pid = create(options, directory)
    with open(f"{directory}/state.json") as file:
        known = json.load(file)
    if options.command in ("start", "run"):
        start(directory)
    if options.command == "state":
        print(json.dumps(known | {"status": status(directory, known)}))
    if options.command == "kill":
        word = options.signal.removeprefix("SIG")
        os.kill(known["pid"], int(word) if word.isdigit() else signal.Signals[f"SIG{word}"])
    if options.command == "run":
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        delete(directory, known)
        sys.exit(code if code >= 0 else 128 - code)
    if options.command == "delete":
        if options.force and status(directory, known) != "stopped":
            process = os.pidfd_open(known["pid"])
            os.kill(known["pid"], signal.SIGKILL)
            select.select([process], [], [])  # a cgroup in which somebody still is cannot be removed
        delete(directory, known)


if __name__ == "__main__":
    wanted = arguments()
    try:
        main(wanted)
    except (OSError, subprocess.CalledProcessError) as problem:
        tell(wanted, problem)
