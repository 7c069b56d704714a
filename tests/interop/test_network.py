"""dockerd and minidock on one host: each's containers go out, are published, and are not the other's to enter."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks import peers
from tests.network.conftest import host, lone_host, namespaces  # noqa: F401 - fixtures
from tests.network.internet import HOST_ADDRESS, OUTSIDE_ADDRESS, Host, Namespace, ask
from tests.network.machine import Inside, Machine
from tests.support.command import Minidock

pytestmark = pytest.mark.interop

OUTSIDE_NEIGHBOUR = "198.51.100.1"
UNPUBLISHED = 81


class Docker:
    """The client of a daemon; `inside` as in `Machine`."""

    def __init__(self, base: list[str]) -> None:
        self.base = base
        self.inside: list[Inside] = []

    def __call__(self, *words: str) -> tuple[int, str, str]:
        done = subprocess.run([*self.base, *words], capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout, done.stderr

    def run(self, *words: str) -> Inside:
        code, out, errors = self("run", "-d", *words, "alpine", "sleep", "600")
        assert code == 0, errors
        shown = json.loads(self("inspect", out.strip())[1])[0]
        settings = shown["NetworkSettings"]
        self.inside.append(Inside({
            "name": shown["Name"], "id": shown["Id"], "state": {"pid": shown["State"]["Pid"]},
            "networks": {"bridge": {"address": settings["IPAddress"], "gateway": settings["Gateway"]}},
        }))  # fmt: skip
        return self.inside[-1]

    def close(self) -> None:
        for inside in self.inside:
            inside.close()
            self("rm", "-f", inside.record["id"])


@pytest.fixture
def machine(engine: Minidock, host: Host) -> Iterator[Machine]:  # noqa: F811 - fixtures of another room
    made = Machine(engine, host)
    yield made
    made.close()


@contextmanager
def docker_on(host: Host, tarball: Path) -> Iterator[Docker]:  # noqa: F811
    enter = ("nsenter", f"--net=/run/netns/{host.name}")
    with (
        tempfile.TemporaryDirectory(prefix="mdt-") as directory,  # short: it has sockets in it (unix(7))
        peers.docker_daemon(directory, enter) as base,
    ):
        assert base, "dockerd does not start"
        peers.run([*base, "import", "-c", 'CMD ["/bin/sh"]', str(tarball), "alpine"])
        docker = Docker(base)
        try:
            yield docker
        finally:
            docker.close()


@pytest.fixture(scope="module")
def tarball(engine: Minidock, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Alpine's files, for docker to import."""
    path = tmp_path_factory.mktemp("alpine") / "alpine.tar"
    tar = ["tar", "-c", "-f", "-", "-C", "/", "bin", "etc", "lib", "root", "sbin", "usr", "var"]
    with path.open("wb") as file:
        command = [*engine.program, "run", "--rm", "--network", "none", "alpine", *tar]
        subprocess.run(command, stdout=file, env=engine.environment, check=True)
    return path


def each_serves_and_goes_out(ours: Inside, theirs: Inside, outside: Namespace) -> None:
    """Ours on port 8080 of the host, theirs on 9090: from outside, from each other, and nobody by the back door."""
    for inside in (ours, theirs):
        assert inside.call(ask, OUTSIDE_ADDRESS) == HOST_ADDRESS
    assert outside.call(ask, HOST_ADDRESS, 8080) == OUTSIDE_NEIGHBOUR
    assert outside.call(ask, HOST_ADDRESS, 9090)
    assert ours.call(ask, HOST_ADDRESS, 9090)
    assert theirs.call(ask, HOST_ADDRESS, 8080)
    for client, server in ((ours, theirs), (theirs, ours)):
        with pytest.raises(TimeoutError):
            client.call(ask, server.address, UNPUBLISHED, 0.5)


def test_docker_first(
    machine: Machine,
    host: Host,  # noqa: F811
    namespaces: list[Namespace],  # noqa: F811
    tarball: Path,
) -> None:
    host.sh("sysctl", "-qw", "net.ipv4.ip_forward=0")  # only who turns forwarding on sets the policy
    with docker_on(host, tarball) as docker:
        assert "policy drop" in host.sh("nft", "list", "chain", "ip", "filter", "FORWARD")
        theirs = docker.run("-p", "9090:80")
        ours = machine.run("-p", "8080:80")
        for inside in (ours, theirs):
            for port in (80, UNPUBLISHED):
                inside.serve("0.0.0.0", port)
        each_serves_and_goes_out(ours, theirs, namespaces[1])
        code, _, errors = machine("run", "--rm", "-p", "9090:80", "alpine", "true")
        assert (code, errors.endswith("listen tcp 0.0.0.0:9090: bind: address already in use\n")) == (125, True)
        code, _, errors = docker("run", "--rm", "-p", "8080:80", "alpine", "true")
        assert (code, "address already in use" in errors) == (125, True)


def test_docker_later_and_again(
    machine: Machine,
    host: Host,  # noqa: F811
    namespaces: list[Namespace],  # noqa: F811
    tarball: Path,
) -> None:
    ours = machine.run("-p", "8080:80")
    for port in (80, UNPUBLISHED):
        ours.serve("0.0.0.0", port)
    host.sh("sysctl", "-qw", "net.ipv4.ip_forward=0")
    for number in range(2):
        with docker_on(host, tarball) as docker:
            theirs = docker.run("-p", "9090:80")
            for port in (80, UNPUBLISHED):
                theirs.serve("0.0.0.0", port)
            if number == 0:  # its rules are new; later it leaves the chain that we are in alone
                machine.ok("ps")
            each_serves_and_goes_out(ours, theirs, namespaces[1])
    assert ours.call(ask, OUTSIDE_ADDRESS) == HOST_ADDRESS


@pytest.mark.parametrize(
    "words",
    [
        ("-p", "70000:80"), ("-p", "80-70:80"), ("-p", "1-2:3-5"), ("-p", "80/foo"), ("-p", "1.2.3:80:80"),
        ("-p", "abc"), ("-p", ""), ("-p", "80:"), ("--expose", "70000"), ("--expose", "80:90"), ("--expose", "a"),
        ("--expose", "80-70"), ("--expose", ""),
    ],
)  # fmt: skip
def test_refusals_are_dockers(docker: list[str], minidock: Minidock, words: tuple[str, ...]) -> None:
    theirs = subprocess.run([*docker, "run", *words, "alpine"], capture_output=True, text=True, check=False)
    ours = minidock("run", *words, "alpine")
    first = theirs.stderr.splitlines()[0]
    assert (ours.returncode, ours.stderr.decode()) == (theirs.returncode, first.replace("docker:", "minidock:") + "\n")


@pytest.mark.parametrize(
    "words",
    [
        ("-p", "8080:80"), ("-p", "127.0.0.1:8080:80"), ("-p", "8000-8001:80-81/udp"), ("-p", "8000-8005:80"),
        ("-P", "--expose", "80-81"), ("-p", "80"), ("--expose", "80"), ("-p", "[::1]:8080:80"),
        ("-p", "published=8080,target=80,protocol=udp"),
    ],
)  # fmt: skip
def test_what_was_asked_is_shown_as_docker_shows_it(
    docker: list[str], minidock: Minidock, words: tuple[str, ...]
) -> None:
    shown = []
    for command, environment in ((docker, None), (minidock.program, minidock.environment)):
        made = subprocess.run([*command, "create", *words, "alpine"], capture_output=True, check=True, env=environment)
        container_id = made.stdout.decode().strip()
        text = subprocess.run([*command, "inspect", container_id], capture_output=True, check=True, env=environment)
        subprocess.run([*command, "rm", container_id], capture_output=True, check=True, env=environment)
        (one,) = json.loads(text.stdout)
        shown.append([one["HostConfig"]["PortBindings"], one["HostConfig"]["PublishAllPorts"],
                      one["Config"].get("ExposedPorts"), one["NetworkSettings"]["Ports"]])  # fmt: skip
    assert shown[1] == shown[0]
