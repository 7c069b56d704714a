"""Ports that are taken, by whom, and for how long; through a container's whole life and with real servers."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from minidock.network import host_ports
from minidock.network.port_bindings import PortRequest
from tests.engine.containers import eventually
from tests.engine.injection import Injector
from tests.network.internet import HOST_ADDRESS, OUTSIDE_ADDRESS, Host, Namespace, ask, result_of
from tests.network.machine import EVERYWHERE, Machine
from tests.support.command import Minidock


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

    def test_not_by_the_container_s_own_ports_that_may_be_any(self, machine: Machine) -> None:
        first = machine.host.sh("cat", host_ports.PORT_RANGE).split()[0]
        machine.run("--name", "web", "-p", "80", "-p", f"{first}-{int(first) + 9}:81", "-p", f"{first}:8080")
        assert machine.ok("port", "web", "8080") == f"0.0.0.0:{first}"
        assert len({machine.ok("port", "web", port) for port in ("80", "81", "8080")}) == 3

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

        def hold_and_let_go(go: int, done: int) -> list[int]:
            os.close(starter)
            os.read(go, 1)  # the end of file comes to all at once
            held = [host_ports.bind_ports([PortRequest("tcp", 80, "", 9000, 9059)], has_ipv6=False) for _ in range(2)]
            os.close(everybody_has)
            os.read(done, 1)  # which comes when the last has said that it has its own
            return [one.published[0].host_port for one in held]

        (go, starter), (done, everybody_has) = os.pipe(), os.pipe()
        children = [host.start(hold_and_let_go, go, done) for _ in range(30)]
        for fd in (starter, go, done, everybody_has):
            os.close(fd)
        had = [port for child in children for port in result_of(*child)]
        assert sorted(had) == list(range(9000, 9060))

    def test_a_way_past_the_firewall_is_refused_not_left_hanging(self, machine: Machine) -> None:
        machine.run("-p", "8080:80")
        machine.host.sh("nft", "flush", "ruleset")
        with pytest.raises(ConnectionRefusedError):
            machine.host.call(ask, "127.0.0.1", 8080)


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

    def test_but_not_while_nobody_needs_it(self, machine: Machine) -> None:
        """Or every change that another engine makes would cost the next command as much as a start."""
        machine.ok("rm", "-f", machine.run().record["id"])
        machine.host.sh("nft", "flush", "ruleset")
        machine.ok("run", "--rm", "--network", "none", "alpine", "true")
        assert "minidock" not in machine.host.sh("nft", "list", "tables")
        assert machine.run().call(ask, OUTSIDE_ADDRESS) == HOST_ADDRESS

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
        host_ports = {inside.record["ports"]["90/udp"][0]["HostPort"] for inside in many}
        assert host_ports == {str(port) for port in range(9000, 9012)}
        removing = [
            subprocess.Popen(machine.words("rm", "-f", inside.record["id"]), env=machine.minidock.environment,
                             stdout=subprocess.DEVNULL)
            for inside in many
        ]  # fmt: skip
        assert [process.wait() for process in removing] == [0] * 12
        eventually(lambda: machine.host.elements("bridge", "cables") == [])


@pytest.mark.parametrize("how", ["fail", "kill"])
def test_broken_at_any_call_about_the_network_it_leaves_nothing(engine: Minidock, tmp_path: Path, how: str) -> None:
    """A sample of the calls. A port needs no look: it ends with the process that holds it."""
    injector = Injector(engine, tmp_path, ("--rm", "-p", "80", "-p", "53/udp"))
    about = re.compile("packet filter|cable|ports of the host")
    points = [number for number, (_, step) in enumerate(injector.calls(), 1) if about.search(step)]
    chosen = random.Random(how).sample(points, 8)
    assert {number: wrong for number in chosen if (wrong := getattr(injector, how)(number))} == {}


@pytest.mark.interop
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
