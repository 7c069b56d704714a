"""Commands that show, in another terminal, what a call has changed, with the pids and paths of this run."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from minidock.explain.trace.blocks import CallMade
from minidock.explain.trace.process_table import ProcessTable, named, open_on

_MOST = 2  # commands for one block


def looks(calls: Iterable[CallMade], processes: ProcessTable) -> list[str]:
    """The commands for a block, the one for its last call last."""
    found: dict[str, None] = {}
    for call in calls:
        if command := look(call, processes):
            found.pop(command, None)
            found[command] = None
    return list(found)[-_MOST:]


def look(call: CallMade, processes: ProcessTable) -> str:
    """The command that shows the effect of `call`; '' if nothing is visible."""
    make = _LOOKS.get(call.wrapper)
    return make(call, processes) if make and not call.failed else ""


def _at_file(call: CallMade, _: ProcessTable) -> str:
    path = open_on(call)
    if not path.startswith("/") or path.startswith("/dev/") or path.endswith("/cgroup.kill"):
        return ""
    if path.startswith("/proc/sys/"):
        return f"nsenter -t {call.pid} -n -u -i cat {path}"
    return f"cat {path}"


def _at_network(call: CallMade, processes: ProcessTable) -> str:
    if call.raw[1].get("inside"):
        return f"nsenter -t {processes.inside} -n ip address"
    words = call.argument(0).split()
    if words[0] == "RTM_NEWLINK":
        return f"ip -details link show {words[1]}"
    return "ip address" if words[0] == "RTM_NEWADDR" else "ip route" if "ROUTE" in words[0] else ""


def _at_program(call: CallMade, processes: ProcessTable) -> str:
    program = str(call.argument(0)).rpartition("/")[2]
    if program == "nft":
        return f"{processes.prefix(call)}nft list ruleset"
    if program.startswith("iptables"):
        return f"{program} -S FORWARD"
    return f"ps -o pid,ppid,user,args -p {call.pid}"


def _at_node(call: CallMade, _: ProcessTable) -> str:
    directory = re.sub(r"/[^/]*$", "", named(call)) or "/"
    return f"ls -l /proc/{call.pid}/root{directory}"


def _at_prctl(call: CallMade, _: ProcessTable) -> str:
    if call.argument(0) == "PR_SET_NO_NEW_PRIVS":
        return f"grep NoNewPrivs /proc/{call.pid}/status"
    if call.argument(0) in ("PR_CAPBSET_DROP", "PR_CAP_AMBIENT"):
        return f"grep Cap /proc/{call.pid}/status"
    return ""


_LOOKS: dict[str, Callable[[CallMade, ProcessTable], str]] = {
    "capset": lambda call, _: f"grep Cap /proc/{call.pid}/status",
    "chdir": lambda call, _: f"ls -l /proc/{call.pid}/cwd",
    "clone3": lambda call, _: f"lsns -p {call.result}",
    "dup2": lambda call, _: f"ls -l /proc/{call.pid}/fd",
    "execve": _at_program,
    "fork": lambda call, _: f"ps -o pid,ppid,sid,args -p {call.result}",
    "ioctl": lambda call, _: f"nsenter -t {call.pid} -n ip link" if "SIOCSIFFLAGS" in call.arguments else "",
    "mknod": _at_node,
    "mount": lambda call, _: f"findmnt -N {call.pid}",
    "netlink": _at_network,
    "pivot_root": lambda call, _: f"ls -l /proc/{call.pid}/root/",
    "rename": lambda call, _: f"cat {named(call, 1)}" if named(call, 1).endswith(".json") else "",
    "seccomp": lambda call, _: f"grep Seccomp /proc/{call.pid}/status",
    "sethostname": lambda call, _: f"nsenter -t {call.pid} -u hostname",
    "setgroups": lambda call, _: f"grep -E '^(Uid|Gid|Groups)' /proc/{call.pid}/status",
    "setresuid": lambda call, _: f"grep -E '^(Uid|Gid|Groups)' /proc/{call.pid}/status",
    "setns": lambda call, _: f"lsns -p {call.pid}",
    "setrlimit": lambda call, _: f"cat /proc/{call.pid}/limits",
    "symlink": lambda call, _: f"ls -l /proc/{call.pid}/root{named(call, 1).rpartition('/')[0] or '/'}",
    "umount2": lambda call, _: f"findmnt -N {call.pid}",
    "unshare": lambda call, _: f"lsns -p {call.pid}",
    "write": _at_file,
}
