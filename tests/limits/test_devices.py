"""The device program at work: a process in a cgroup opens and makes device nodes, the kernel asks the program."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from minidock.engine.spec.security import DEVICE_RULES
from minidock.linux import device_filter
from minidock.linux.cgroups import Cgroup

NULL, ZERO, RANDOM, KMSG = (1, 3), (1, 5), (1, 8), (1, 11)
LOOP0 = (7, 0)
READ, WRITE, BOTH = os.O_RDONLY, os.O_WRONLY, os.O_RDWR

DENY_ALL = {"allow": False, "access": "rwm"}


def allow(kind: str, major: int, minor: int, access: str) -> dict[str, Any]:
    return {"allow": True, "type": kind, "major": major, "minor": minor, "access": access}


def attempt(cgroup: Cgroup, what: tuple[str, tuple[int, int]], flags: int | None, directory: Path) -> int:
    """Make a node outside the cgroup and open it inside, or with `flags` None make it inside; 0 or the errno."""
    kind, (major, minor) = what
    node = str(directory / "node")
    mode = {"c": stat.S_IFCHR, "b": stat.S_IFBLK}[kind] | 0o600
    if flags is not None:
        os.mknod(node, mode, os.makedev(major, minor))
    child = os.fork()
    if child == 0:
        answer = 255
        try:
            cgroup.add(os.getpid())
            if flags is None:
                os.mknod(node, mode, os.makedev(major, minor))
            else:
                os.open(node, flags | os.O_NONBLOCK)
            answer = 0
        except OSError as error:
            answer = error.errno or 255
        finally:
            os._exit(answer)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize(
    ("what", "flags", "allowed"),
    [
        (("c", NULL), BOTH, True),
        (("c", ZERO), READ, True),
        (("c", RANDOM), WRITE, True),
        (("c", KMSG), READ, False),
        (("c", KMSG), None, True),
        (("b", LOOP0), READ, False),
        (("b", LOOP0), None, True),
        (("b", NULL), READ, False),  # the numbers of /dev/null, but a block device
    ],
)
def test_docker_s_default_rules(
    cgroup: Cgroup, tmp_path: Path, what: tuple[str, tuple[int, int]], flags: int | None, allowed: bool
) -> None:
    device_filter.restrict(cgroup, DEVICE_RULES)
    assert attempt(cgroup, what, flags, tmp_path) == (0 if allowed else errno.EPERM)


@pytest.mark.parametrize(
    ("rules", "what", "flags", "allowed"),
    [
        ([], ("c", NULL), READ, False),
        ([DENY_ALL], ("c", NULL), READ, False),
        ([{"allow": True}], ("c", KMSG), READ, True),
        ([{"allow": True}, DENY_ALL], ("c", NULL), READ, False),
        ([DENY_ALL, allow("c", *NULL, "r")], ("c", NULL), READ, True),
        ([DENY_ALL, allow("c", *NULL, "r")], ("c", NULL), WRITE, False),
        ([DENY_ALL, allow("c", *NULL, "r")], ("c", NULL), BOTH, False),
        ([DENY_ALL, allow("c", *NULL, "rw")], ("c", NULL), BOTH, True),
        ([DENY_ALL, allow("c", *NULL, "rw")], ("c", NULL), None, False),
        ([DENY_ALL, allow("c", *NULL, "rw")], ("c", ZERO), READ, False),
        ([DENY_ALL, allow("c", 1, -1, "r")], ("c", ZERO), READ, True),
        ([DENY_ALL, allow("b", 1, -1, "r")], ("c", ZERO), READ, False),
        ([DENY_ALL, allow("a", -1, -1, "r")], ("c", KMSG), READ, True),
        ([DENY_ALL, allow("c", 1, -1, "rwm"), {"allow": False, "type": "c", "major": 1, "minor": 5}],
         ("c", ZERO), READ, False),
        ([DENY_ALL, allow("c", 1, -1, "rwm"), {"allow": False, "type": "c", "major": 1, "minor": 5}],
         ("c", NULL), READ, True),
    ],
)  # fmt: skip
def test_the_last_rule_that_matches_decides(
    cgroup: Cgroup,
    tmp_path: Path,
    rules: list[dict[str, Any]],
    what: tuple[str, tuple[int, int]],
    flags: int | None,
    allowed: bool,
) -> None:
    device_filter.restrict(cgroup, rules)
    assert attempt(cgroup, what, flags, tmp_path) == (0 if allowed else errno.EPERM)


def test_a_manager_inside_can_forbid_more_but_allow_nothing(cgroup: Cgroup, tmp_path: Path) -> None:
    device_filter.restrict(cgroup, [DENY_ALL, allow("c", *NULL, "rw")])
    inner = Cgroup(os.path.join(cgroup.path, "inner"))
    inner.create(owned=cgroup.path)
    device_filter.restrict(inner, [{"allow": True}])
    assert attempt(inner, ("c", NULL), READ, tmp_path) == 0
    (tmp_path / "node").unlink()
    assert attempt(inner, ("c", ZERO), READ, tmp_path) == errno.EPERM
