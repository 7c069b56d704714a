"""-p, -P, --expose and port, as typed: what is refused, what is taken, what is given back."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from minidock.network import ports
from minidock.network.published import Wish
from tests.engine.containers import eventually
from tests.network.internet import HOST_ADDRESS, OUTSIDE_ADDRESS, Host, Namespace, ask, ask_udp, result_of
from tests.network.machine import Machine
from tests.support.command import Minidock

EVERYWHERE = "0.0.0.0"


@pytest.fixture
def machine(engine: Minidock, host: Host) -> Iterator[Machine]:
    """minidock on the host of `internet.py`."""
    made = Machine(engine, host)
    yield made
    made.close()
    made.ok("network", "reload")  # also makes sure that nobody has left anything half-way
    assert host.elements("inet", "published4") == []


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
def test_what_cannot_be_meant_is_refused_in_one_line(
    engine: Minidock, words: tuple[str, ...], complaint: str
) -> None:
    done = engine("run", "--rm", *words, "alpine", "echo", "started")
    assert (done.returncode, done.stdout) == (125, b"")
    (line,) = done.stderr.decode().splitlines()
    assert line.endswith(complaint)


class TestTaken:
    """Whoever has the port first keeps it, be it a container or any other program."""

    def test_by_a_program(self, machine: Machine) -> None:
        with machine.host.socket(socket.AF_INET, socket.SOCK_STREAM) as server:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind(("127.0.0.1", 8080))
            server.listen()
            code, out, errors = machine("run", "--rm", "--name", "late", "-p", "8080:80", "alpine", "echo", "started")
            assert (code, out) == (125, "")
            assert errors == (
                "minidock: driver failed programming external connectivity on endpoint late: "
                "listen tcp 0.0.0.0:8080: bind: address already in use\n"
            )
            assert machine.host.elements("inet", "published4") == []
            assert machine.ok("ps", "-aq") == ""
        machine.run("-p", "8080:80")

    def test_by_a_container(self, machine: Machine) -> None:
        machine.run("--name", "first", "-p", "8080:80", "-p", "53:53/udp")
        for port in ("8080:80", "127.0.0.1:8080:80", "53:53/udp"):
            code, _, errors = machine("run", "--rm", "-p", port, "alpine", "true")
            assert code == 125
            assert errors.endswith("failed: port is already allocated (to container first)\n")
        machine.ok("rm", "-f", "first")
        machine.run("-p", "8080:80", "-p", "53:53/udp")

    def test_sctp_though_the_kernel_may_not_speak_it(self, machine: Machine) -> None:
        machine.run("--name", "first", "-p", "8080:80/sctp", "-p", "8080:80")
        code, _, errors = machine("run", "--rm", "-p", "8080:80/sctp", "alpine", "true")
        assert (code, "port is already allocated (to container first)" in errors) == (125, True)
        assert "sctp . 0.0.0.0/0 . 8080" in machine.host.sh("nft", "list", "map", "inet", "minidock", "published4")

    def test_from_programs_as_long_as_it_is_published(self, machine: Machine) -> None:
        machine.run("--name", "web", "-p", "8080:80", "-p", "5353:53/udp")
        for kind, port in ((socket.SOCK_STREAM, 8080), (socket.SOCK_DGRAM, 5353)):
            with machine.host.socket(socket.AF_INET, kind) as server:
                server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(kind == socket.SOCK_STREAM))
                with pytest.raises(OSError, match="Address already in use"):
                    server.bind(("0.0.0.0", port))
        machine.ok("rm", "-f", "web")
        with machine.host.socket(socket.AF_INET, socket.SOCK_STREAM) as server:
            server.bind(("0.0.0.0", 8080))

    def test_not_by_what_a_server_has_left_in_time_wait(self, machine: Machine) -> None:
        with machine.host.socket(socket.AF_INET, socket.SOCK_STREAM) as server:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind(("127.0.0.1", 8080))
            server.listen()
            with machine.host.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
                client.connect(("127.0.0.1", 8080))
                server.accept()[0].close()
        assert "TIME-WAIT" in machine.host.sh("ss", "-tan", "sport", "=", "8080")
        machine.run("-p", "8080:80")

    def test_not_by_two_at_the_same_time(self, host: Host) -> None:
        """Thirty processes want two of sixty ports each: no port is ever two processes'."""

        def hold_and_let_go(go: int) -> list[int]:
            os.close(starter)
            os.read(go, 1)  # the end of file comes to all at once
            held = [ports.hold([Wish("tcp", 80, "", 9000, 9059)], has_ipv6=False) for _ in range(2)]
            time.sleep(1)
            return [one.published[0].host_port for one in held]

        go, starter = os.pipe()
        children = [host.start(hold_and_let_go, go) for _ in range(30)]
        os.close(starter)
        os.close(go)
        had = [port for child in children for port in result_of(*child)]
        assert sorted(had) == list(range(9000, 9060))

    def test_a_way_past_the_firewall_is_refused_not_left_hanging(self, machine: Machine) -> None:
        machine.run("-p", "8080:80")
        machine.host.sh("nft", "flush", "ruleset")
        with pytest.raises(ConnectionRefusedError):
            machine.host.call(ask, "127.0.0.1", 8080)


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


class TestLife:
    def test_stopped_started_and_killed(self, machine: Machine) -> None:
        machine.ok("create", "--name", "web", "-p", "8080:80", "-p", "81", "alpine", "sleep", "600")
        try:
            assert machine.ok("port", "web") == ""
            for _ in range(2):
                machine.ok("start", "web")
                container_id = json.loads(machine.ok("inspect", "web"))[0]["Id"]
                inside = machine.look(container_id)
                inside.serve(EVERYWHERE, 80)
                assert machine.host.call(ask, "127.0.0.1", 8080)
                machine.ok("stop", "-t", "0", "web")
                machine.inside.remove(inside)
                inside.close()
                assert machine.host.elements("inet", "published4") == []
                assert machine.ok("port", "web") == ""
            machine.ok("start", "web")
            record = machine.look(container_id).record
            os.kill(record["state"]["monitor"], signal.SIGKILL)
            eventually(lambda: not os.path.exists(f"/proc/{record['state']['pid']}"))
            assert "Exited (137)" in machine.ok("ps", "-a")
            assert machine.host.elements("inet", "published4") == []
            assert machine.host.elements("bridge", "cables") == []
        finally:
            machine("rm", "-f", "web")

    def test_in_the_foreground_too(self, machine: Machine) -> None:
        program = ("alpine", "sh", "-c", "echo; sleep 600")
        words = machine.words("run", "--rm", "--name", "front", "-p", "8080:80", *program)
        with subprocess.Popen(words, env=machine.minidock.environment, stdout=subprocess.PIPE) as process:
            assert process.stdout
            process.stdout.readline()
            assert machine.ok("port", "front") == "80/tcp -> 0.0.0.0:8080"
            machine.ok("rm", "-f", "front")
            assert process.wait() == 137

    def test_a_flushed_firewall_is_mended_by_the_next_command(self, machine: Machine) -> None:
        inside = machine.run("-p", "8080:80")
        inside.serve(EVERYWHERE, 80)
        for words in (("ps",), ("run", "--rm", "--network", "none", "alpine", "true"), ("network", "reload")):
            machine.host.sh("nft", "flush", "ruleset")
            machine.ok(*words)
            assert machine.host.call(ask, "127.0.0.1", 8080)
            assert inside.call(ask, OUTSIDE_ADDRESS) == HOST_ADDRESS

    def test_and_a_lost_registry_is_made_again(self, machine: Machine, host: Host) -> None:
        inside, other = machine.run("-p", "8080:80"), machine.run("-p", "8081:80")
        inside.serve(EVERYWHERE, 80)
        machine.host.sh("nft", "flush", "ruleset")
        os.unlink(host.registry)
        machine.run()
        assert machine.host.call(ask, "127.0.0.1", 8080)
        assert other.call(ask, OUTSIDE_ADDRESS) == HOST_ADDRESS

    def test_many_at_once_get_a_port_each(self, machine: Machine) -> None:
        words = machine.words("run", "-d", "--rm", "-p", "80", "-p", "9000-9011:90/udp", "alpine", "sleep", "600")
        started = [
            subprocess.Popen(words, env=machine.minidock.environment, stdout=subprocess.PIPE, text=True)
            for _ in range(12)
        ]
        many = [machine.look(process.communicate()[0].strip()) for process in started]
        shown = machine.host.sh("nft", "list", "map", "inet", "minidock", "published4")
        assert shown.count("tcp . 0.0.0.0/0") == shown.count("udp . 0.0.0.0/0") == 12
        ports = {inside.record["ports"]["90/udp"][0]["HostPort"] for inside in many}
        assert ports == {str(port) for port in range(9000, 9012)}
        removing = [
            subprocess.Popen(machine.words("rm", "-f", inside.record["id"]), env=machine.minidock.environment,
                             stdout=subprocess.DEVNULL)
            for inside in many
        ]  # fmt: skip
        assert [process.wait() for process in removing] == [0] * 12
        eventually(lambda: machine.host.elements("bridge", "cables") == [])


class TestRealServers:
    def test_nginx_logs_the_visitors_own_address(
        self, machine: Machine, namespaces: list[Namespace], tmp_path: Path
    ) -> None:
        inside = machine.run("-p", "8080:80")
        (tmp_path / "index.html").write_text("hello")
        config = tmp_path / "nginx.conf"
        config.write_text(
            f"daemon off; pid {tmp_path}/pid; error_log {tmp_path}/errors; user root; events {{}}\n"
            f"http {{ access_log {tmp_path}/log; server {{ listen 80; root {tmp_path}; }} }}\n"
        )
        enter = ["nsenter", f"--net=/proc/{inside.record['state']['pid']}/ns/net"]
        server = subprocess.Popen([*enter, "nginx", "-c", str(config)])
        try:
            eventually(lambda: f":{80:04X} " in Path(f"/proc/{server.pid}/net/tcp").read_text())
            for client, address in ((namespaces[1], HOST_ADDRESS), (machine.host, "127.0.0.1")):
                assert client.sh("curl", "-sS", "-m", "5", f"http://{address}:8080/") == "hello"
            visitors = [line.split()[0] for line in (tmp_path / "log").read_text().splitlines()]
            assert visitors == ["198.51.100.1", inside.gateway]
        finally:
            server.terminate()
            server.wait()
