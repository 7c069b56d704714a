"""Wrong programs: one change in a stage's solution each, and what the check has to say of it."""

from __future__ import annotations

from typing import NamedTuple


class Wrong(NamedTuple):
    """`old` is replaced in the solution of stage `stage` by `new`; the line about it has `said` in it."""

    stage: str
    name: str
    old: str
    new: str
    said: str


_PRIVATE = '    mount(None, "/", None, MS_REC | MS_PRIVATE)\n'
_INIT = "    child = os.fork()\n    if child == 0:\n        execute(command)\n    os._exit(attend(child))"
_UNSHARE_ALL = '    call("unshare", CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC)\n    socket.sethostname("course")\n'
_JOIN = '    write(f"{group}/cgroup.procs", "0")  # "0" is whoever writes\n'
_SYSFS = 'mount("sysfs", "sys", "sysfs", MS_RDONLY | MS_NOSUID'
_SET_IDS = "    os.setresgid(0, 0, 0)  # until here this is still the host's root, who has no number in the map\n"

_PIVOT = """    call("pivot_root", ".", ".")  # the old root is now mounted over the new one, at the same place
    call("umount2", ".", MNT_DETACH)
"""
_UPPER = '    options = f"lowerdir={lower},upperdir={scratch}/upper,workdir={scratch}/work"\n'
_SHARED_UPPER = """    for place in ("u", "w"):
        os.makedirs(f"/tmp/course/{place}", exist_ok=True)
    options = f"lowerdir={lower},upperdir=/tmp/course/u,workdir=/tmp/course/w"
"""
_COMMAND_ALONE_JOINS = """    global execute
    become, procs = execute, os.open(f"{group}/cgroup.procs", os.O_WRONLY)
    def execute(command):
        os.write(procs, b"0")
        become(command)
"""

WRONG = (
    Wrong("1", "signals", "    signal.signal(signal.SIGPIPE, signal.SIG_DFL)\n", "", "ignores SIGPIPE"),
    Wrong("1", "exit-code", "sys.exit(exit_code(status))", "sys.exit(0)",
          "the command ended with 7, your program with 0"),
    Wrong("1", "second-parent", "os._exit(127 if isinstance(error, FileNotFoundError) else 126)", "pass", "_exit(127)"),
    Wrong("1", "arguments", "command[0], command)", "command[0], command[:1])", "with all its arguments"),
    Wrong("1", "killed", "code if code >= 0 else 128 - code", "code & 255", "128 + 9 = 137"),
    Wrong("2", "working-directory", '    os.chdir("/")\n', "", "working directory is still"),
    Wrong("2", "root", "os.chroot(rootfs)", "os.chdir(rootfs)", "the command's root is /"),
    Wrong("2", "descriptor", "    os.chroot(rootfs)\n",
          "    os.set_inheritable(os.open('/etc', 0), True)\n    os.chroot(rootfs)\n",
          "leads to the directory /etc"),
    Wrong("3", "propagation", _PRIVATE, "", "MS_PRIVATE) first"),
    Wrong("3", "namespace", '    call("unshare", CLONE_NEWNS)\n', "", "host's mount namespace"),
    Wrong("3", "old-root", '    call("umount2", ".", MNT_DETACH)\n', "", "still mounted at"),
    Wrong("3", "only-chroot", _PIVOT, '    os.chroot(".")\n', "chroot is not enough"),
    Wrong("4", "umask", "    os.umask(0)  #", "    #", "has mode 644"),
    Wrong("4", "nodev", '"tmpfs", MS_NOSUID, "mode=755', '"tmpfs", MS_NOSUID | MS_NODEV, "mode=755', "MS_NODEV"),
    Wrong("4", "sys", _SYSFS, _SYSFS.replace("MS_RDONLY", "MS_NOSUID"), "/sys can be written to"),
    Wrong("4", "proc", '    mount("proc", "proc", "proc"', '    call("getpid")  # ("proc"', "no proc is mounted"),
    Wrong("4", "links", '"stdin": "fd/0", ', "", "no link /dev/stdin"),
    Wrong("4", "shared-memory", '("shm", "tmpfs", "mode=1777', '("shm", "tmpfs", "mode=755', "/dev/shm is not"),
    Wrong("5", "processes", '    call("unshare", CLONE_NEWPID)\n', "", "host's pid namespace"),
    Wrong("5", "host-name", '    socket.sethostname("course")\n', "", "host name is host"),
    Wrong("5", "host-renamed", _UNSHARE_ALL, "\n".join(reversed(_UNSHARE_ALL.strip("\n").split("\n"))) + "\n",
          "the host is now called course"),
    Wrong("5", "no-init", _INIT, "    execute(command)", "has to wait for whoever ends"),
    Wrong("5", "own-child-only", "os._exit(attend(child))", "os._exit(exit_code(os.waitpid(child, 0)[1]))",
          "zombie stays"),
    Wrong("5", "deaf", "            os.kill(child, number)\n", "", "does not end `sleep` inside"),
    Wrong("5", "proc-of-the-host", 'mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)',
          'mount("/proc", "proc", None, MS_BIND | MS_REC)', "shows the host's processes"),
    Wrong("6", "not-joined", _JOIN, "", "in the cgroup of your program"),
    Wrong("6", "first-outside", _JOIN, _COMMAND_ALONE_JOINS, "but not in the cgroup"),
    Wrong("6", "left", "    os.rmdir(group)\n", "", "still there after the end"),
    Wrong("7", "order", "reversed(layers)", "layers", "wants the topmost first"),
    Wrong("7", "shared-changes", _UPPER, _SHARED_UPPER, "written before"),
    Wrong("7", "changes-left", "    shutil.rmtree(scratch)\n", "", "is left: remove the changes"),
    Wrong("7", "no-overlay", 'mount("overlay", f"{scratch}/merged", "overlay", 0, options)',
          'mount(layers[0], f"{scratch}/merged", None, 0x1000)', "the root is of type"),
    Wrong("8", "nobody", _SET_IDS + "    os.setresuid(0, 0, 0)\n", "", "is still the host's root"),
    Wrong("8", "same-root", 'f"0 {OUTSIDE} 65536"', '"0 0 65536"', "is still the host's root"),
    Wrong("8", "groups", "    os.setgroups([])\n", "", "host's group 0"),
    Wrong("8", "owner", '    os.chown(f"{scratch}/upper", OUTSIDE, OUTSIDE)', "    #", "cannot write to its own /"),
    Wrong("8", "no-user-namespace", "    leave_root(parent)\n", "    parent.close()\n", "user namespace"),
    Wrong("9", "loopback", 'inside.link("set", index=inside.link_lookup(ifname="lo")[0], state="up")', "pass",
          "lo is down"),
    Wrong("9", "forwarding", '    write("/proc/sys/net/ipv4/ip_forward", "1")\n', "", "forwards no packets"),
    Wrong("9", "translation", "masquerade\n", "accept\n", "masquerade rule"),
    Wrong("9", "route", '        inside.route("add", gateway=f"{SUBNET}.1")\n', "", "no default route"),
    Wrong("9", "plug", "master=bridge, ", "", "plugged into a bridge"),
    Wrong("10", "bounding-set", "            call(\"prctl\", PR_CAPBSET_DROP, number, 0, 0, 0)\n", "            pass\n",
          "execve gives root whatever"),
    Wrong("10", "new-privileges", "    prctl.set_no_new_privs(1)\n", "    return\n", "NoNewPrivs 0"),
    Wrong("10", "filter", '    call("prctl", PR_SET_SECCOMP, SECCOMP_MODE_FILTER, header, 0, 0)\n', "", "no filter"),
    Wrong("10", "unshare", "(165, 166, 155, 272,", "(165, 166, 155,", "lets unshare through"),
    Wrong("10", "first-process", "    drop_power()\n    child = os.fork()\n    if child == 0:\n",
          "    child = os.fork()\n    if child == 0:\n        drop_power()\n", "PID 1 inside can have"),
    Wrong("last", "no-gate", "    os.read(gate, 1)  # until `start`\n", "", "it has to wait for `start`"),
    Wrong("last", "read-only-bind", "if flags & MS_BIND and flags & ~(MS_BIND | MS_REC):", "if False:",
          "can be written to"),
    Wrong("last", "no-such-program", "    if not shutil.which(", "    if False and not shutil.which(",
          "program that is not there"),
    Wrong("last", "pid-file", "    if options.pid_file:\n", "    if False:\n", "has not written the pid"),
)  # fmt: skip

# These need the controllers.
WRONG_LIMITS = (
    Wrong("6", "swap", '"memory.swap.max": options.memory and "0", ', "", "memory.swap.max is max"),
    Wrong("6", "no-limit", '"pids.max": options.pids}', '"pids.max": None}', "pids.max is max"),
)
