"""The stages of the course: their names, pages and solutions, and the skeletons that are made of the solutions.

A solution marks what its stage is about, and a skeleton has a hole in each such place:

    # [hole] What to do here.
    ...
    # [end]
"""

from __future__ import annotations

import os
import re

from minidock.errors import UsageError
from minidock.named_tuple import NamedTuple

_HOLE = re.compile(r"^( *)# \[hole\] (.+)\n(?:.*\n)*?\1# \[end\]\n", re.MULTILINE)
_MARK = re.compile(r"^ *# \[(?:hole\] .*|end\])\n", re.MULTILINE)


class Stage(NamedTuple):
    """One stage. `number` is what is typed; `check` is a module in minidock/course/checks; `code` is where the same is
    done in minidock, and what more."""

    number: str
    name: str
    title: str
    check: str
    code: tuple[str, ...]

    @property
    def directory(self) -> str:
        """Where its page and its solution are."""
        return os.path.join(course_directory(), self.name)

    @property
    def page(self) -> str:
        """Its page's text."""
        return _read(os.path.join(self.directory, "README.md"))

    @property
    def solution(self) -> str:
        """A program that does what the stage asks for, without the marks of its holes."""
        return _MARK.sub("", self._marked)

    @property
    def skeleton(self) -> str:
        """The same program with its holes, which raise an error that names them."""
        holes = iter(range(1, 100))

        def hole(match: re.Match[str]) -> str:
            indent, text, number = match[1], match[2], next(holes)
            return f'{indent}# Hole {number}. {text}\n{indent}raise NotImplementedError("hole {number}")\n'

        return _HOLE.sub(hole, self._marked)

    @property
    def holes(self) -> int:
        """How many holes the skeleton has."""
        return len(_HOLE.findall(self._marked))

    @property
    def file(self) -> str:
        """What the student's program is called, if nobody says otherwise."""
        return f"stage{self.number}.py" if self.number.isdigit() else "mine.py"

    @property
    def needs_rootfs(self) -> bool:
        """Whether its program is given the files of an image."""
        return self.number not in ("1", "last")

    @property
    def _marked(self) -> str:
        return _read(os.path.join(self.directory, "solution.py"))


STAGES = (
    Stage("1", "01-fork-and-exec", "fork, exec, wait", "fork_and_exec",
          ("minidock/runtime/program.py", "minidock/linux/syscalls.py")),
    Stage("2", "02-chroot", "chroot, and the escape from it", "changed_root", ("minidock/linux/mounts.py",)),
    Stage("3", "03-mounts", "a mount namespace and pivot_root", "pivoted_root",
          ("minidock/linux/mounts.py", "minidock/runtime/rootfs.py")),
    Stage("4", "04-proc-sys-dev", "proc, sys, dev", "proc_sys_dev",
          ("minidock/runtime/rootfs.py", "minidock/runtime/device_access.py")),
    Stage("5", "05-processes", "host name, IPC, processes, and what PID 1 is", "first_process",
          ("minidock/runtime/lifecycle.py", "minidock/linux/namespaces.py")),
    Stage("6", "06-cgroups", "limits: a control group", "group_limits",
          ("minidock/linux/cgroups.py", "minidock/linux/cgroup_limits.py")),
    Stage("7", "07-layers", "layers: overlayfs", "layer_order",
          ("minidock/linux/overlay.py", "minidock/runtime/rootfs.py")),
    Stage("8", "08-users", "root inside, nobody outside: a user namespace", "user_mapping",
          ("minidock/runtime/init.py", "minidock/linux/namespaces.py", "minidock/linux/idmapped.py")),
    Stage("9", "09-network", "a network: veth, bridge, NAT", "veth_and_nat",
          ("minidock/network/connect_endpoints.py", "minidock/network/network_drivers/network_driver.py")),
    Stage("10", "10-power", "less power: capabilities, no_new_privs, seccomp", "dropped_power",
          ("minidock/linux/capabilities.py", "minidock/linux/seccomp.py", "minidock/runtime/init.py")),
    Stage("last", "last-exercise", "a runtime that docker can call", "oci_runtime",
          ("minidock/oci/create.py", "minidock/runtime/init.py")),
)  # fmt: skip


def find(number: str) -> Stage:
    """The stage with this number. Raises `UsageError`."""
    for stage in STAGES:
        if stage.number == number.lstrip("0"):
            return stage
    raise UsageError(f"there is no stage {number}: stages are 1 to {len(STAGES) - 1}, and last")


def next_of(stage: Stage) -> Stage | None:
    """The stage that comes after."""
    place = STAGES.index(stage) + 1
    return STAGES[place] if place < len(STAGES) else None


def course_directory() -> str:
    """Where the course is: beside the package in a checkout, or where pip has put it."""
    checkout = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "course")
    if os.path.isdir(checkout):
        return os.path.normpath(checkout)
    import sysconfig  # here, as few come this far

    return os.path.join(sysconfig.get_path("data"), "share", "minidock", "course")


def _read(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()
