"""Networks that users make, in docker and in minidock: the same commands, the same words, the same view from inside."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from tests.support.command import Minidock

pytestmark = pytest.mark.interop

NAMES = ("mdt-u", "mdt-v", "a-mdt")
CONTAINERS = ("mdt-one", "mdt-two", "mdt-none", "mdt-host")


class Outcome(NamedTuple):
    """How a command ended. `said`: the line of an error, without who says it."""

    code: int
    out: str
    said: str


Do = Callable[..., Outcome]


@pytest.fixture
def docker_does(docker: list[str]) -> Iterator[Do]:
    yield from _cleaned(_doing(docker, None))


@pytest.fixture
def minidock_does(minidock: Minidock) -> Iterator[Do]:
    yield from _cleaned(_doing(minidock.program, minidock.environment))


def _cleaned(do: Do) -> Iterator[Do]:
    yield do
    do("rm", "-f", *CONTAINERS)
    do("network", "rm", *NAMES)


def _doing(program: list[str], environment: dict[str, str] | None) -> Do:
    def do(*words: str) -> Outcome:
        done = subprocess.run(
            [*program, *words], env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )
        lines = [line for line in done.stderr.splitlines() if line and not line.startswith(("exit status", "Run '"))]
        said = re.sub("^(docker: |minidock: |Error response from daemon: |Error: )+", "", lines[0]) if lines else ""
        return Outcome(done.returncode, done.stdout, said.rstrip(".").lower())

    return do


REFUSED = [
    "network create --subnet 10.0.0/8 x",
    "network create --subnet 10.0.0.0/33 x",
    "network create --subnet 10.5.0.0/16 --gateway 10.6.0.1 x",
    "network create --subnet 10.5.0.0/16 --ip-range 10.6.0.0/24 x",
    "network create --gateway 10.6.0.1 x",
    "network create --subnet 10.5.0.0/16 --subnet 10.6.0.0/16 x",
    "network create --subnet 10.5.0.0/16 --subnet 10.5.6.0/24 x",
    "network create --subnet 10.209.0.0/24 x",
    "network create mdt-u",
    "network create bridge",
    "network create --driver host x",
    "network create --driver foo x",
    "network create --opt com.docker.network.bridge.enable_icc=maybe x",
    "network create --opt com.docker.network.driver.mtu=-4 x",
    "network rm nosuch",
    "network rm bridge",
    "network rm mdt-u",
    "network inspect nosuch",
    "network connect mdt-u nosuch",
    "network connect nosuch mdt-one",
    "network connect mdt-u mdt-one",
    "network connect mdt-u mdt-none",
    "network connect mdt-u mdt-host",
    "network connect host mdt-one",
    "network connect none mdt-one",
    "network connect --alias a bridge mdt-one",
    "network disconnect mdt-v mdt-one",
    "network disconnect -f mdt-u nosuch",
    "run --rm --network nosuch alpine true",
    "run --rm --network mdt-u --ip 10.209.0.50 alpine true",
    "run --rm --network mdt-u --ip 10.210.0.50 alpine true",
    "run --rm --network mdt-u --ip 10.209.0.x alpine true",
    "run --rm --network mdt-v --ip 10.209.0.9 alpine true",
    "run --rm --ip 172.17.0.9 alpine true",
    "run --rm --network-alias a alpine true",
    "run --rm --network container:nosuch alpine true",
    "run --rm --network container:mdt-one --hostname x alpine true",
    "run --rm --network container:mdt-one --dns 192.0.2.1 alpine true",
    "run --rm --network container:mdt-one --add-host a:192.0.2.1 alpine true",
    "run --rm --network container:mdt-one --link mdt-two alpine true",
    "run --rm --network host --link mdt-two alpine true",
    "run --rm --link nosuch alpine true",
    "run --rm --link mdt-one:a alpine true",
    "run --rm --mac-address foo alpine true",
]


def _scene(do: Do) -> None:
    """Two networks, a container on one of them at an address of its own, one on each kind of others."""
    assert do("network", "create", "--subnet", "10.209.0.0/24", "mdt-u").code == 0
    assert do("network", "create", "mdt-v").code == 0
    on_u = ("--network", "mdt-u", "--ip", "10.209.0.50", "--network-alias", "al")
    # One on the host's network is not started: for that, docker keeps a mount as long as its daemon runs.
    for how, name, flags in (("run -d", "mdt-one", on_u), ("run -d", "mdt-two", ()),
                             ("run -d", "mdt-none", ("--network", "none")),
                             ("create", "mdt-host", ("--network", "host"))):  # fmt: skip
        done = do(*how.split(), "--name", name, *flags, "alpine", "sleep", "1000")
        assert done.code == 0, done


def test_the_same_is_refused_in_the_same_words(docker_does: Do, minidock_does: Do) -> None:
    for do in (docker_does, minidock_does):
        _scene(do)
    differing = []
    for words in REFUSED:
        theirs, ours = (do(*words.split()) for do in (docker_does, minidock_does))
        # Ids differ, and ours may say more, behind docker's words.
        same = (re.sub("[0-9a-f]{64}", "ID", outcome.said) for outcome in (theirs, ours))
        their_words, our_words = same
        if theirs.code != ours.code or not our_words.startswith(their_words.partition(" (strconv")[0]):
            differing.append((words, theirs, ours))
    assert differing == []


def test_a_network_looks_the_same(docker_does: Do, minidock_does: Do) -> None:
    shown = []
    for do in (docker_does, minidock_does):
        _scene(do)
        found = json.loads(do("network", "inspect", "mdt-u").out)[0]
        (container,) = found["Containers"].values()
        assert found["IPAM"]["Config"][0].pop("Gateway", "10.209.0.1") == "10.209.0.1"  # docker's hides the default
        addresses = [container[key] for key in ("Name", "IPv4Address", "MacAddress")]
        shown.append((found.keys(), found["IPAM"], addresses))
    theirs, ours = shown
    assert theirs[0] - ours[0] == set()
    assert theirs[1:] == ours[1:]


# Not among them: hosts, whose lines docker takes away with those of another network.
VIEWS = ["cat /etc/resolv.conf", "ip route | sed 's/ *$//'", "ls /sys/class/net",
         "nslookup al | grep -c 10.209.0.50", "nslookup mdt-one | grep -c 10.209.0.50"]  # fmt: skip


def test_who_is_connected_later_sees_the_same(docker_does: Do, minidock_does: Do) -> None:
    seen = []
    for do in (docker_does, minidock_does):
        _scene(do)
        assert do("network", "create", "--subnet", "10.211.0.0/24", "a-mdt").code == 0
        views = []
        for step in ("connect mdt-u", "connect a-mdt", "disconnect bridge", "disconnect mdt-u", "disconnect a-mdt"):
            assert do("network", *step.split(), "mdt-two").code == 0
            views += [(step, view, do("exec", "mdt-two", "sh", "-c", view).out) for view in VIEWS]
        # The default network and so its addresses are not the same.
        seen.append([tuple(re.sub(r"172\.\d+\.\d+\.\d+", "DEFAULT", text) for text in view) for view in views])
    assert seen[0] == seen[1]
