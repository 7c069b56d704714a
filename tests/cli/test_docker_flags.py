"""Every flag of docker 28's client is there: understood, or refused in a line with the reason.

docker_flags.json has them by command, "-a|--all" for one with a short form; beside docker, tests/interop/test_flags.py
looks whether it is still true.
"""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest

from minidock.cli.click_groups import cli, noun
from tests.cli.conftest import Run

TABLE: dict[str, str] = json.loads((Path(__file__).parent / "docker_flags.json").read_text())
NOT_HERE = ("volume update",)  # a command of docker's that is refused as a whole


def command(words: str) -> click.Command:
    """The command of minidock's that docker calls so."""
    if not words:
        return cli
    *first, last = words.split()
    group = noun(first[0]) if first else cli
    found = group.get_command(click.Context(group), last)
    assert found is not None, f"there is no command {words!r}"
    return found


@pytest.mark.parametrize("name", sorted(TABLE.keys() - NOT_HERE))
def test_every_flag_is_there(name: str) -> None:
    options = [param for param in command(name).params if isinstance(param, click.Option)]
    lost = []
    for flag in TABLE[name].split():
        *_, long = names = flag.split("|")
        if not any(set(names) <= {*option.opts} for option in options):
            lost.append(flag)
        assert long.startswith("--")
    assert lost == []


REFUSED = {
    ("run", "--link-local-ip", "169.254.7.7", "alpine"): '"--link-local-ip" cannot be used: a container sends from the',
    ("run", "--network", "name=x,driver-opt=a=b", "alpine"): "driver-opt in --network name=x,driver-opt=a=b cannot be",
    ("run", "--network", "name=x,gw-priority=z", "alpine"): "invalid gw-priority (z) in --network",
    ("network", "connect", "--link-local-ip", "169.254.7.7", "x", "y"): '"--link-local-ip" cannot be used: a container',
    ("network", "connect", "--driver-opt", "a=b", "x", "y"): '"--driver-opt" cannot be used: the driver bridge has no',
    ("network", "connect", "--gw-priority", "z", "x", "y"): 'invalid argument "z" for "--gw-priority"',
    ("network", "create", "--config-only", "x"): '"--config-only" cannot be used: a network that is only a',
    ("network", "create", "--config-from", "y", "x"): '"--config-from" cannot be used: a network that is only a',
    ("network", "create", "--ingress", "x"): '"--ingress" cannot be used: this node is no swarm manager',
    ("network", "create", "--ipam-driver", "dhcp", "x"): '"--ipam-driver" cannot be dhcp: there is the driver default',
    ("network", "create", "--ipam-opt", "a=b", "x"): '"--ipam-opt" cannot be used: the IPAM driver default has no',
    ("network", "create", "--ipv4=false", "x"): '"--ipv4" cannot be turned off: each network here has IPv4 addresses',
    ("network", "create", "--scope", "swarm", "x"): '"--scope" cannot be swarm: this node is no swarm manager',
    ("-H", "tcp://a:1", "ps"): '"--host" cannot be used: minidock has no daemon',
    ("--context=other", "ps"): '"--context" cannot be other: minidock has no daemon',
    ("--tlsverify", "ps"): '"--tlsverify" cannot be used: minidock has no daemon',
    ("-l", "loud", "ps"): "Unable to parse logging level: loud",
    ("run", "--cpu-count", "2", "alpine", "true"): '"--cpu-count" cannot be used: it is only supported on a Docker',
    ("create", "--use-api-socket", "alpine"): '"--use-api-socket" cannot be used: there is no API socket',
    ("start", "--checkpoint", "x", "y"): '"--checkpoint" cannot be used: it is only supported on a Docker daemon with',
    ("volume", "create", "--group", "x"): '"--group" cannot be used: this node is no swarm manager',
    ("images", "--tree"): '"--tree" cannot be used: an image is here for one platform',
    ("volume", "update", "x"): "docker's 'volume update' is not part of minidock",
    ("history", "--platform", "linux/s390x", "alpine"): "does not match the specified platform: wanted linux/s390x",
    ("image", "inspect", "--platform", "linux/s390x", "alpine"): "does not match the specified platform",
    ("rmi", "--platform", "linux/s390x", "alpine"): "does not match the specified platform: wanted linux/s390x",
    ("push", "--platform", "linux/s390x", "alpine"): "does not match the specified platform: wanted linux/s390x",
}


@pytest.mark.parametrize("words", REFUSED, ids=" ".join)
def test_what_cannot_be_done_is_said_in_a_line(run: Run, words: tuple[str, ...]) -> None:
    done = run.minidock(*words)
    assert done.returncode not in (0, 127)
    assert REFUSED[words] in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        ("--context", "default", "--log-level=warn", "-D", "ps", "-q"),
        ("--config", "/nowhere", "--host=", "--tls=false", "ps", "-q"),
        ("run", "--rm", "--net=none", "--disable-content-trust", "--use-api-socket=false", "alpine", "true"),
        ("volume", "ls", "--cluster", "-q"),
        ("run", "--rm", "--network=none", "--dns-opt", "ndots:2", "alpine", "true"),
        ("image", "inspect", "-f", " ", "--platform", "LINUX/X86_64", "alpine"),
    ],
    ids=" ".join,
)
def test_what_asks_for_nothing_is_understood(run: Run, words: tuple[str, ...]) -> None:
    done = run.minidock(*words)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, b"", b"")
