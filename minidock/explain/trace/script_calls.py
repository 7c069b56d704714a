"""Calls as commands of a script (`script.py`), where they differ from commands that are only shown
(`shell_commands.py`).
"""

from __future__ import annotations

import errno
import re
import shlex

from minidock.explain.trace import script_filter, shell_commands
from minidock.explain.trace.blocks import Block, CallMade
from minidock.explain.trace.process_table import ProcessTable, named, open_on

WITHOUT_COMMAND = {"bpf": "no_device_rules", "seccomp": "no_filter", "keyctl": "no_keyring"}  # with their labels
_INIT_LAYER = re.compile(r"/containers/[0-9a-f]{64}/init(/|$)")
_ULIMITS = {0: "t", 1: "f", 2: "d", 3: "s", 4: "c", 6: "u", 7: "n", 8: "l", 9: "v"}  # letters of sh's own ulimit
# What unshare(1) and the shell do by themselves, or what another command includes.
_INCLUDED = ("setsid", "dup2", "close_range", "rt_sigaction", "unshare", "open", "openat2", "fchdir")


def is_start(block: Block) -> bool:
    """Whether this block writes down that the container runs."""
    return any(call.wrapper == "rename" and named(call, 1).endswith("/container.json") for call in block.calls)


def in_init_layer(call: CallMade) -> bool:
    """Whether the call creates a part of the container's init layer, which the script always creates."""
    is_making = call.wrapper in ("mkdir", "mknod", "symlink") and call.number in (None, errno.EEXIST)
    return is_making and bool(_INIT_LAYER.search(named(call, int(call.wrapper == "symlink"))))


def own(line: str, directory: str, container_id: str) -> str:
    """The script's own directory and id in the place of those of the run."""
    if not container_id or line.startswith("id="):
        return line
    names = {directory: "$here", container_id: "$id", container_id[:12]: "$short"}
    shown, quoted = "", False
    for piece in re.split("(" + "|".join(map(re.escape, names)) + ")", line):
        variable = names.get(piece)
        shown += piece if variable is None else f"'\"{variable}\"'" if quoted else variable
        quoted ^= piece.count("'") % 2 == 1
    return shown


def text(data: bytes | str) -> str:
    """What was written, as text."""
    return data.decode(errors="replace") if isinstance(data, bytes) else data


def here_document(content: str) -> list[str]:
    """Lines for between `<<EOF` and `EOF`, where the shell expands what is written $so."""
    return re.sub(r"([\\$`])", r"\\\1", content.rstrip("\n")).split("\n")


def outside(call: CallMade, later: list[CallMade], processes: ProcessTable, own: list[str]) -> list[str]:
    """Commands for a call of the command or the monitor; `later`: the calls after it in the same step.

    `own`: the container's interfaces and addresses. What all containers share (a bridge, rules) may exist already.
    """
    if call.wrapper == "execve":
        return _program(call, later, own)
    if call.wrapper == "mkdir":
        return [f"mkdir -p -m {call.argument(1, 'mode', 0o777):o} {shlex.quote(named(call))}"]
    if call.wrapper in ("mknod", "symlink"):
        return [shell_commands.command(call._replace(number=None), processes)] if in_init_layer(call) else []
    to_kernel = call.wrapper == "write" and open_on(call).startswith(("/sys/fs/", "/proc/sys/"))
    kept = call.wrapper == "netlink" or to_kernel
    command = shell_commands.command(call, processes) if kept else ""
    if command.startswith("ip link add ") and command.split()[3] not in own:
        command = f"ip link show {command.split()[3]} >/dev/null 2>&1 || {{ {command}; }}"
    return list(filter(None, [re.sub("^ip address add", "ip address replace", command)]))


def _program(call: CallMade, later: list[CallMade], own: list[str]) -> list[str]:
    """nft and iptables with their input; commands that only list are left out."""
    words = [str(word) for word in call.argument(1)]
    if words[0] == "nft" and "-f" in words:
        given = next((text(c.argument(1)) for c in later if c.wrapper == "write"), "")
        return script_filter.commands(given, own)
    changes = words[0].startswith("iptables") and {"-I", "-A", "-D"} & set(words)
    return [shlex.join(words)] if changes else []


def inside(call: CallMade, processes: ProcessTable) -> list[str]:
    """Commands for a call of the container's first process."""
    if call.wrapper in _INCLUDED or (call.wrapper == "write" and not open_on(call).startswith("/")):
        return []
    if call.wrapper in ("mount", "move_mount"):  # a remount names a source too: so util-linux and busybox both take it
        words = re.sub(r"\b(mount -o remount,\S+) ", r"\1 none ", shell_commands.command(call, processes))
        return [words] if words else []
    if call.wrapper == "setrlimit":
        letter, shown = _ULIMITS.get(call.argument(0)), ["unlimited" if n < 0 else n for n in call.argument(1)]
        return [f"ulimit -S{letter} {shown[0]} && ulimit -H{letter} {shown[1]}"] if letter else []
    return list(filter(None, [shell_commands.command(call, processes)]))


def take_over(call: CallMade, identity: list[CallMade], note: str) -> list[str]:
    """The execve, with the changes of the process's identity before it."""
    environment = [f"{key}={value}" for key, value in call.argument(2).items()]
    words = shlex.join([*environment, *map(text, call.argument(1))])
    power = shell_commands.setpriv([c for c in identity if "PDEATHSIG" not in c.arguments[0]])
    if not power:
        return [f"exec env -i {words}"]
    able = "if setpriv --help 2>&1 | grep -q bounding-set; then"
    return [f"# {note}", able, f"    exec {power} env -i {words}", "fi", f"exec env -i {words}"]
