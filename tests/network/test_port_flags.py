"""-p, -P, --expose and port, as typed: what is refused, and which port it is to be."""

from __future__ import annotations

import io
import json
import socket
import tarfile
from pathlib import Path

import pytest

from tests.network.internet import HOST_ADDRESS, ask, ask_udp
from tests.network.machine import EVERYWHERE, Machine
from tests.support.command import Minidock


@pytest.fixture(scope="module")
def exposing(engine: Minidock) -> str:
    """An image that says which ports its program listens on."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.add("/bin/busybox", "bin/busybox")
    changes = [word for line in ("EXPOSE 80", "EXPOSE 53/udp", 'CMD ["/bin/busybox", "sleep", "600"]')
               for word in ("--change", line)]  # fmt: skip
    done = engine("import", *changes, "-", "exposing", input=buffer.getvalue())
    assert done.returncode == 0, done.stderr
    return "exposing"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("-p", "70000:80"), "invalid hostPort: 70000"),
        (("-p", "8080:70000"), "invalid containerPort: 70000"),
        (("-p", "8080:0"), "invalid containerPort: 0"),
        (("-p", "0"), "invalid containerPort: 0"),
        (("-p", "abc"), "invalid containerPort: abc"),
        (("-p", "-1:80"), "invalid hostPort: -1"),
        (("-p", "80-70:80"), "invalid hostPort: 80-70"),
        (("-p", "1-2:3-5"), "invalid ranges specified for container and host Ports: 3-5 and 1-2"),
        (("-p", "80/foo"), "invalid proto: foo"),
        (("-p", "8080/udp:80"), "invalid hostPort: 8080/udp"),
        (("-p", "8080:80", "-p", "8080:81"), "Bind for 0.0.0.0:8080 failed: port is already allocated"),
        (("--network", ""), "no name set for network"),
        (("--network", "container:"), "Invalid network mode: invalid container format container:<name|id>"),
        (("--add-host", "a:"), 'invalid IP address in add-host: ""'),
        (("-p", "1.2.3:80:80"), "invalid IP address: 1.2.3"),
        (("-p", "300.1.1.1:80:80"), "invalid IP address: 300.1.1.1"),
        (("-p", "a:80:80"), "invalid IP address: a"),
        (("-p", "[::g]:80:80"), "invalid IP address: ::g"),
        (("-p", ""), "no port specified: <empty>"),
        (("-p", "80:"), "no port specified: 80:<empty>"),
        (("-p", "target=80,published"), "invalid publish opts format (should be name=value but got 'published')"),
        (("--expose", "70000"), 'invalid range format for --expose: 70000, error: strconv.ParseUint: parsing "70000": '
                                "value out of range"),
        (("--expose", "80:90"), "invalid port format for --expose: 80:90"),
        (("--expose", "80/foo"), "invalid proto: foo"),
        (("-p", "[::1]:80:80"), "cannot publish on [::1]: the container's network has no IPv6"),
        (("-p", "203.0.113.200:80:80"), "listen tcp 203.0.113.200:80: bind: cannot assign requested address"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_in_one_line(engine: Minidock, words: tuple[str, ...], complaint: str) -> None:
    done = engine("run", "--rm", *words, "alpine", "echo", "started")
    assert (done.returncode, done.stdout) == (125, b"")
    (line,) = done.stderr.decode().splitlines()
    assert line.endswith(complaint)


class TestChosen:
    def test_a_free_one_of_a_range(self, machine: Machine) -> None:
        for port in ("8000", "8001"):
            inside = machine.run("-p", "8000-8001:80")
            assert machine.ok("port", inside.record["id"]) == f"80/tcp -> 0.0.0.0:{port}"
        code, _, errors = machine("run", "--rm", "-p", "8000-8001:80", "alpine", "true")
        assert code == 125
        assert "all ports are allocated (8000-8001)" in errors

    def test_range_to_range_tcp_and_udp(self, machine: Machine) -> None:
        inside = machine.run("-p", "8000-8001:90-91/udp", "-p", "127.0.0.1:8000-8001:90-91")
        assert machine.ok("port", inside.record["name"]).splitlines() == [
            "90/tcp -> 127.0.0.1:8000", "90/udp -> 0.0.0.0:8000", "91/tcp -> 127.0.0.1:8001", "91/udp -> 0.0.0.0:8001",
        ]  # fmt: skip
        inside.serve_udp(EVERYWHERE, 91)
        assert machine.host.call(ask_udp, HOST_ADDRESS, 8001) == HOST_ADDRESS

    @pytest.mark.parametrize("text", ["80", ":80", "0:80", "127.0.0.1::80", "target=80,protocol=tcp"])
    def test_any_that_is_free(self, machine: Machine, text: str) -> None:
        machine.host.sh("sysctl", "-qw", "net.ipv4.ip_local_port_range=40000 40003")
        with machine.host.socket(socket.AF_INET, socket.SOCK_STREAM) as server:
            server.bind((EVERYWHERE, 40000))
            inside = machine.run("-p", text)
            address = "127.0.0.1" if text.startswith("127") else EVERYWHERE
            assert machine.ok("port", inside.record["id"], "80") == f"{address}:40001"

    def test_where_the_network_publishes_unless_told(self, machine: Machine) -> None:
        option = "com.docker.network.bridge.host_binding_ipv4=127.0.0.1"
        machine.ok("network", "create", "--opt", option, "--ipv6", "quiet")
        try:
            inside = machine.run("--network", "quiet", "-p", "8080:80", "-p", "[::]:8081:80")
            assert machine.ok("port", inside.record["id"]).splitlines() == [
                "80/tcp -> 127.0.0.1:8080", "80/tcp -> [::]:8081"
            ]  # fmt: skip
            machine.ok("rm", "-f", inside.record["id"])
        finally:
            machine.ok("network", "rm", "quiet")

    def test_on_every_address_of_both_families(self, machine: Machine) -> None:
        machine.ok("network", "create", "--ipv6", "dual")
        try:
            code, _, errors = machine("run", "--rm", "--network", "dual", "-p", "[::1]:8080:80", "alpine", "true")
            assert (code, "cannot publish on [::1]" in errors) == (125, True)
            inside = machine.run("--network", "dual", "-p", "8080:80")
            assert machine.ok("port", inside.record["id"], "80").splitlines() == ["0.0.0.0:8080", "[::]:8080"]
            inside.serve("::", 80)
            assert machine.host.call(ask, "127.0.0.1", 8080) == f"::ffff:{inside.gateway}"
            machine.ok("rm", "-f", inside.record["id"])
        finally:
            machine.ok("network", "rm", "dual")

    def test_all_that_are_exposed(self, machine: Machine, exposing: str) -> None:
        container_id = machine.ok("run", "-d", "--rm", "-P", "-p", "8053:53/udp", "--expose", "100-101", exposing)
        machine.look(container_id)
        ports = json.loads(machine.ok("inspect", container_id))[0]["NetworkSettings"]["Ports"]
        assert list(ports) == ["53/udp", "80/tcp", "100/tcp", "101/tcp"]
        assert ports["53/udp"] == [{"HostIp": "0.0.0.0", "HostPort": "8053"}]
        given = [int(bindings[0]["HostPort"]) for key, bindings in ports.items() if key != "53/udp"]
        assert len(set(given)) == 3
        first, last = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
        assert all(first <= port <= last for port in given)

    def test_exposed_alone_is_not_published(self, machine: Machine, exposing: str) -> None:
        container_id = machine.ok("run", "-d", "--rm", exposing)
        machine.look(container_id)
        shown = json.loads(machine.ok("inspect", container_id))[0]
        assert shown["NetworkSettings"]["Ports"] == {"53/udp": None, "80/tcp": None}
        assert shown["Config"]["ExposedPorts"] == {"53/udp": {}, "80/tcp": {}}
        assert machine.ok("port", container_id) == ""
        code, _, errors = machine("port", container_id, "80")
        assert (code, errors) == (1, f"minidock: No public port '80' published for {container_id}\n")

    def test_on_the_hosts_network_it_does_nothing_and_says_so(self, machine: Machine) -> None:
        code, out, errors = machine("run", "--rm", "--network", "host", "-p", "8080:80", "alpine", "echo", "started")
        assert (code, out) == (0, "started\n")
        assert errors == "WARNING: Published ports are discarded when using host network mode\n"
