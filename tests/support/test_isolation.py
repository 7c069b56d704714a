"""The tests' own namespaces and cgroup: what is seen in there, and what is left of them outside."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engine.containers import cgroup2, eventually
from tests.support import isolation
from tests.support.isolation import PREFIX, VARIABLE

pytestmark = pytest.mark.skipif(not isolation.wanted(), reason=f"{VARIABLE} says that the machine is ours")

CHECKOUT = Path(__file__).parents[2]
ENTER = """
import os, sys
from tests.support import isolation
entered = isolation.enter()
{then}
"""


def enter(then: str) -> subprocess.Popen[bytes]:
    """Another process like ours, in namespaces within ours; without a systemd, as /run is ours."""
    command = [sys.executable, "-u", "-c", ENTER.format(then=then)]
    return subprocess.Popen(command, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def said(then: str) -> list[str]:
    with enter(f"{then}\nentered.leave()") as process:
        output, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    return output.decode().splitlines()


def test_there_is_nothing_of_others_in_there() -> None:
    links, addresses, run, groups, mine, program = said("""
print(os.listdir("/sys/class/net"))
os.system("ip -br address show | tr -s ' '")
print(sorted(os.listdir("/run")))
from tests.engine.containers import cgroup2
print([entry.name for entry in os.scandir(cgroup2()) if entry.is_dir()])
print(open("/proc/self/cgroup").read().splitlines()[-1])
os.system("exec grep ^0:: /proc/self/cgroup")
""")
    assert links == "['lo']"
    assert addresses == "lo UNKNOWN 127.0.0.1/8 ::1/128 "
    assert run == "['lock', 'netns']"
    assert groups == "['pytest']"
    assert mine == program == "0::/pytest"


def test_controllers_can_be_handed_down() -> None:
    """Nobody is in the root's way."""
    (offered, handed) = said("""
from minidock.linux.cgroups import Cgroup
from tests.engine.containers import cgroup2
Cgroup(f"{cgroup2()}/minidock/test").create()
for name in ("cgroup.controllers", "cgroup.subtree_control"):
    print(sorted(set(open(f"{cgroup2()}/{name}").read().split()) & {"cpu", "io", "memory", "pids"}))
""")
    assert offered == handed


def test_outside_is_the_network_that_it_came_from() -> None:
    (inside, outside) = said("""
os.system("readlink /proc/self/ns/net")
os.system(" ".join(entered.outside("readlink", "/proc/self/ns/net")))
""")
    assert outside == os.readlink("/proc/self/ns/net") != inside


def test_leaving_removes_the_cgroup_with_who_is_in_it() -> None:
    with enter("""
import subprocess
sleeper = subprocess.Popen(["sleep", "1000"], stdout=subprocess.DEVNULL)
print(flush=True)
sys.stdin.read()
entered.leave()
print(sleeper.wait(), open("/proc/self/cgroup").read().splitlines()[-1])
""") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"\n"
        assert (cgroup2() / f"{PREFIX}{process.pid}").exists()
        output, _ = process.communicate(timeout=30)
    assert output.decode().split()[0] == str(-signal.SIGKILL)
    assert not (cgroup2() / f"{PREFIX}{process.pid}").exists()


def test_what_a_killed_one_left_goes_with_the_next() -> None:
    with enter("print(flush=True); os.system('sleep 1000')") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"\n"
        process.kill()
    left = cgroup2() / f"{PREFIX}{process.pid}"
    assert left.exists()
    said("")
    assert not left.exists()
    assert eventually(lambda: not list(cgroup2().glob(f"{PREFIX}*")))
