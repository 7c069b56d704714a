"""What the calls so far say of processes and mounts, so that the shell commands of later calls can name them."""

from __future__ import annotations

import re

from minidock.explain.trace.blocks import CallMade
from minidock.named_tuple import NamedTuple

_NAMESPACE = re.compile(r"/proc/(\d+)/ns/\w+")


class Copied(NamedTuple):
    """A copy of a mount, not attached yet: the path it was copied from, whether with all mounts below, and the options
    of mount(8) that were set since."""

    source: str
    recursive: bool
    options: list[str]


class ProcessTable:
    """`inside`: the pid of the process whose namespaces were created or opened last, or 0; or a shell variable for it.

    `fed`: the program that a process has just started, whose input it writes next: its pid and the program's command.
    `copies`: what open_tree(2) has copied, by process and descriptor. One command of mount(8) copies, sets options and
    attaches, so that command is shown with the call that attaches.
    """

    def __init__(self) -> None:
        self.inside: int | str = 0
        self.copies: dict[tuple[int, int], Copied] = {}
        self.fed: tuple[int, str] | None = None
        self._parents: dict[int, int] = {}

    def note(self, call: CallMade) -> None:
        """Take account of a call."""
        if call.wrapper == "clone3" and not call.failed:
            self.inside = call.result
        elif call.wrapper == "open" and (match := _NAMESPACE.fullmatch(str(call.argument(0)))):
            self.inside = int(match[1])
        elif call.wrapper == "vfork":
            self._parents[call.result] = call.pid

    def feed(self, call: CallMade, command: str) -> None:
        """Take account of a program that reads `command`'s input from whoever started it, with the next write."""
        self.fed = self._parents.get(call.pid, 0), command

    def prefix(self, call: CallMade) -> str:
        """What leads a command into the network of the process inside, if that is where our process made the call."""
        ours = call.who in ("command", "monitor", "exec-monitor")
        return f"nsenter --target {self.inside} --net " if ours and call.raw[1].get("inside") else ""


def is_refused(calls: list[CallMade], position: int) -> bool:
    """Whether the kernel has refused the call at `position`; a message of netlink, by its answer."""
    call = calls[position]
    if call.wrapper != "netlink":
        return call.failed
    answer = next((later for later in calls[position + 1 :] if later.wrapper == "netlink_answer"), None)
    return call.failed or (answer is not None and bool(answer.argument(2)))


def real_path(call: CallMade, position: int) -> str:
    """The path that an argument means: its own text, or the target of /proc/self/fd/N."""
    shown = call.arguments[position]
    if shown.endswith(" */") and " /* " in shown:
        return shown.rpartition(" /* ")[2][: -len(" */")]
    raw = call.argument(position)
    return raw.decode(errors="surrogateescape") if isinstance(raw, bytes) else str(raw)


def open_on(call: CallMade, position: int = 0) -> str:
    """The path that the descriptor among the arguments is open on; '' if that is not known."""
    _, bracket, path = call.arguments[position].partition("<")
    return path.rstrip(">") if bracket else ""


def named(call: CallMade, position: int = 0) -> str:
    """The path of an argument that is a name in a directory given by descriptor (openat(2) and its relatives)."""
    name = call.argument(position)
    name = name.decode(errors="surrogateescape") if isinstance(name, bytes) else str(name)
    options = call.raw[1]  # rename(2) has a directory for each of its names
    above = options.get("dir_fd", options.get(("src_dir_fd", "dst_dir_fd")[position]))
    if above is None or name.startswith("/"):
        return name
    place = next((words.partition("<")[2].rstrip(">") for words in call.arguments if words.startswith(f"{above}<")), "")
    return f"{place}/{name}" if place else name
