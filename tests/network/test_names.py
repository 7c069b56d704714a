"""Names: asked of the resolver inside, which has to know who is there now, and of the servers of the world outside."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import dnslib
import pytest

from tests.network.containers import World


class TestNeighbours:
    def test_name_alias_and_short_id_at_once_as_they_come_and_go(self, world: World) -> None:
        net = world.network()
        asker = world.container("--network", net)
        first = world.container("--network", net, "--network-alias", "WWW", "--hostname", "box")
        address, short = world.address(first, net), world("inspect", "-f", "{{.Id}}", first)[:12]
        for name in (first, first.upper(), "www", "box", short, f"{first}.{net}", f"{first}."):
            assert world.lookup(asker, name) == [address], name
        second = world.container("--network", net, "--network-alias", "www")
        assert world.lookup(asker, "www") == sorted([address, world.address(second, net)])
        world("stop", "-t", "0", first)
        assert world.lookup(asker, first) == []
        assert world.lookup(asker, "www") == [world.address(second, net)]
        world("start", first)
        assert world.lookup(asker, first) == [world.address(first, net)]
        world("rename", first, "renamed")
        world.containers.append("renamed")
        assert world.lookup(asker, first) == []
        assert world.lookup(asker, "renamed") == world.lookup(asker, short) == [world.address("renamed", net)]
        world("rm", "-f", "renamed", second)
        assert world.lookup(asker, "www") == []

    def test_an_answer_that_was_given_before_is_new_when_names_are(self, world: World) -> None:
        net = world.network()
        asker = world.container("--network", net)
        both = [world.container("--network", net, "--network-alias", "www") for _ in range(2)]
        program = """
import dnslib, time
for number in range(8):
    time.sleep(0.06)  # seconds: sooner after a change, no answer is kept
    question = dnslib.DNSRecord.question("www")
    question.header.id = number
    answer = dnslib.DNSRecord.parse(question.send("127.0.0.11", 53, timeout=30))
    print(answer.header.id, *(row.rdata for row in answer.rr))
"""
        lines = [line.split() for line in in_network_of(world, asker, program).splitlines()]
        assert [line[0] for line in lines] == [str(number) for number in range(8)]
        addresses = {world.address(name, net) for name in both}
        assert all(set(line[1:]) == addresses for line in lines)
        assert {line[1] for line in lines} == addresses  # each of them comes first at times
        world("stop", "-t", "0", both[0])
        assert world.lookup(asker, "www") == [world.address(both[1], net)]
        world("network", "disconnect", net, both[1])
        assert world.lookup(asker, "www") == []

    def test_programs_that_use_no_name_server_of_their_own_find_them_too(self, world: World) -> None:
        net = world.network()
        server = world.container("--network", net)
        out = world("run", "--rm", "--network", net, "alpine", "sh", "-ec",
                    f"getent hosts {server}; ping -c 1 -W 2 {server}; cat /etc/resolv.conf")  # fmt: skip
        assert out.startswith(world.address(server, net))
        assert "1 packets received" in out
        assert out.splitlines()[-2:][0] == "nameserver 127.0.0.11"
        assert "ndots:0" in out.splitlines()[-1]

    def test_addresses_have_names(self, world: World) -> None:
        net = world.network("--ipv6")
        server = world.container("--network", net)
        for key in ("IPAddress", "GlobalIPv6Address"):
            template = f"{{{{range .NetworkSettings.Networks}}}}{{{{.{key}}}}}{{{{end}}}}"
            address = world("inspect", "-f", template, server).strip()
            assert f"name = {server}.{net}" in world.inside(server, f"nslookup {address}")

    def test_a_link_is_a_name_for_one_container_only(self, world: World) -> None:
        net = world.network()
        server = world.container("--network", net)
        linked, other = world.container("--network", net, "--link", f"{server}:db"), world.container("--network", net)
        assert world.lookup(linked, "db") == [world.address(server, net)]
        assert world.lookup(other, "db") == []
        world("rename", server, "mdt-renamed")
        world.containers.append("mdt-renamed")
        assert world.lookup(linked, "db") == [world.address("mdt-renamed", net)]

    def test_only_on_networks_in_common(self, world: World) -> None:
        here, there = world.container("--network", world.network()), world.container("--network", world.network())
        assert world.lookup(here, there) == []

    def test_many_of_one_name_come_by_tcp(self, world: World) -> None:
        """An answer of 40 addresses is too long for a datagram, which has the question and what there is room for."""
        net = world.network()
        asker = world.container("--network", net)
        path = next(world.minidock.root.glob(f"networks/{world.inspect(net)['Id']}.leases.json"))
        content = path.read_text()
        rows = "".join(f'    "{n:064x}": ["10.9.9.{n}", "", "mdnone{n}", ["many"]],\n' for n in range(1, 41))
        other = path.with_suffix(".new")
        other.write_text(content.replace('"leases": {\n', '"leases": {\n' + rows))
        other.rename(path)
        program = """
import dnslib
for tcp in (False, True):
    answer = dnslib.DNSRecord.parse(dnslib.DNSRecord.question("many").send("127.0.0.11", 53, tcp=tcp, timeout=30))
    print(answer.header.tc, answer.q.qname, len(answer.rr))
"""
        assert in_network_of(world, asker, program) == "1 many. 30\n0 many. 40\n"

    def test_nonsense_and_silence_do_no_harm(self, world: World) -> None:
        container = world.container("--network", world.network())
        program = r"""
import os, socket
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
head = bytes.fromhex("123401000001000000000000")
for size in (0, 1, 11, 12, 500):
    udp.sendto(os.urandom(size), ("127.0.0.11", 53))
itself = b"\xc0\x0c"  # a pointer to where it stands
for name in (itself, b"\x3f" + 9 * b"a", 200 * b"\x01a" + b"\0", b"\x04\xff\0\n,\0"):
    udp.sendto(head + name + b"\0\1\0\1", ("127.0.0.11", 53))
silent = [socket.create_connection(("127.0.0.11", 53)) for _ in range(20)]
silent[0].sendall(b"\xff")
silent[1].sendall(b"\0\2xx")
import dnslib
for tcp in (False, True):
    answer = dnslib.DNSRecord.parse(dnslib.DNSRecord.question(NAME).send("127.0.0.11", 53, tcp=tcp, timeout=30))
    print(len(answer.rr))
""".replace("NAME", repr(container))
        assert in_network_of(world, container, program) == "1\n1\n"

    def test_a_program_may_have_port_53_for_itself(self, world: World) -> None:
        net = world.network()
        container = world.container("--network", net)
        world("exec", "-d", container, "nc", "-l", "-p", "53", "-e", "echo", "mine")
        assert world.lookup(container, container) == [world.address(container, net)]
        listens = "grep -qE ' 0+:0035 ' /proc/net/tcp /proc/net/tcp6"  # the resolver does so at 127.0.0.11
        assert world.inside(container, f"until {listens}; do sleep 0.01; done; nc 127.0.0.1 53") == "mine\n"


class TestTheDefaultNetwork:
    def test_it_has_links_and_no_other_names(self, world: World) -> None:
        server = world.container("--expose", "80", "--expose", "53/udp", "-e", "COLOUR=blue", name="web-server")
        address = world.address(server, "bridge")
        name = world.container("--link", f"{server}:db", name="client")
        hosts = world.inside(name, "cat /etc/hosts").splitlines()
        short = world("inspect", "-f", "{{.Id}}", server)[:12]
        assert f"{address}\tdb {short} {server}" in hosts
        variables = world.inside(name, "env").splitlines()
        assert {"DB_NAME=/client/db", f"DB_PORT=udp://{address}:53", f"DB_PORT_80_TCP=tcp://{address}:80",
                f"DB_PORT_80_TCP_ADDR={address}", "DB_PORT_80_TCP_PORT=80", "DB_PORT_80_TCP_PROTO=tcp",
                f"DB_PORT_53_UDP=udp://{address}:53", "DB_ENV_COLOUR=blue"} <= set(variables)  # fmt: skip
        world.inside(name, "ping -c 1 -W 2 db")
        template = "{{json .HostConfig.Links}} {{json .NetworkSettings.Networks.bridge.Links}}"
        assert world("inspect", "-f", template, name) == f'["/{server}:/client/db"] ["{server}:db"]\n'
        assert world.fails_inside(server, "ping -c 1 -W 1 client")

    def test_a_link_is_removed_and_no_container(self, world: World) -> None:
        server = world.container(name="web-server")
        name = world.container("--link", f"{server}:db", "--link", f"{server}:other", name="client")
        assert world("rm", "--link", f"/{name}/db") == f"/{name}/db\n"
        hosts = world.inside(name, "cat /etc/hosts")
        assert ("\tdb " in hosts, "\tother " in hosts) == (False, True)
        assert world("inspect", "-f", "{{json .HostConfig.Links}}", name) == f'["/{server}:/{name}/other"]\n'
        for wrong, why in {f"{name}/db": f"No such container: {name}/db", "nosuch/db": "No such container: nosuch",
                           name: "Conflict, cannot remove the default link name of the container"}.items():  # fmt: skip
            code, said = world.refused("rm", "-l", wrong)
            assert (code, why in said) == (1, True)
        assert len(world("ps", "-q").split()) >= 2

    def test_a_domain_is_part_of_the_whole_name(self, world: World) -> None:
        name = world.container("-h", "box", "--domainname", "example.test")
        row = f"{world.address(name, 'bridge')}\tbox.example.test box"
        assert world.inside(name, "hostname; hostname -f; tail -1 /etc/hosts") == f"box\nbox.example.test\n{row}\n"
        net = world.network()
        world("network", "connect", net, name)
        world("network", "disconnect", net, name)
        assert world.inside(name, "tail -1 /etc/hosts") == f"{row}\n"
        dotted = world.container("-h", "box.example.test")
        row = f"{world.address(dotted, 'bridge')}\tbox.example.test box"
        assert world.inside(dotted, "hostname; tail -1 /etc/hosts") == f"box.example.test\n{row}\n"

    def test_a_link_follows_its_target(self, world: World) -> None:
        server = world.container()
        name = world.container("--link", f"{server}:db")
        world.inside(name, "echo '192.0.2.7 mine' >>/etc/hosts")
        before = world.address(server, "bridge")
        world("rename", server, "mdt-moved")
        server = "mdt-moved"
        world.containers.append(server)
        world("restart", "-t", "0", server)
        after = world.address(server, "bridge")
        hosts = world.inside(name, "cat /etc/hosts").splitlines()
        assert before != after
        assert [line.split()[0] for line in hosts if " db" in line or "\tdb" in line] == [after]
        assert "192.0.2.7 mine" in hosts

    def test_links_that_cannot_be(self, world: World) -> None:
        world("create", "--name", "mdt-asleep", "alpine", "true")
        world.containers.append("mdt-asleep")
        elsewhere = world.container("--network", world.network())
        for words, message in {
            "--link nosuch": "could not get container for nosuch: No such container: nosuch",
            "--link a:b:c": "bad format for links: a:b:c",
            f"--link {elsewhere}": f"Cannot link to /{elsewhere}, as it does not belong to the default network",
            "--name mdt-l --link mdt-asleep:x": "Cannot link to a non running container: /mdt-asleep AS /mdt-l/x",
            f"--network host --link {elsewhere}": "host type networking can't be used with links",
        }.items():
            code, line = world.refused("run", "--rm", *words.split(), "alpine", "true")
            assert (code, message in line) == (125, True), line


class TestFiles:
    def test_hosts_and_resolv_conf_as_asked(self, world: World) -> None:
        out = world(
            "run", "--rm", "--dns", "192.0.2.1", "--dns", "2001:db8::1", "--dns-search", "a.example", "--dns-option",
            "ndots:3", "--add-host", "one:192.0.2.9", "--add-host", "six:2001:db8::6", "--add-host", "me:host-gateway",
            "-h", "box", "alpine", "sh", "-c", "cat /etc/resolv.conf /etc/hosts; ip route show default",
        )  # fmt: skip
        lines = out.splitlines()
        assert lines[:4] == ["search a.example", "nameserver 192.0.2.1", "nameserver 2001:db8::1", "options ndots:3"]
        gateway = next(line.split()[2] for line in lines if line.startswith("default via"))
        assert {"192.0.2.9\tone", "2001:db8::6\tsix", f"{gateway}\tme"} <= set(lines)
        assert lines[4] == "127.0.0.1\tlocalhost"
        assert any(line.endswith("\tbox") for line in lines)

    @pytest.mark.parametrize(("host", "inside"), [
        ("nameserver 127.0.0.53\noptions edns0\nsearch a.example\n",
         "search a.example\nnameserver 192.0.2.53\noptions edns0\n"),
        ("nameserver 127.0.0.1\nnameserver 192.0.2.1\nnameserver ::1\n", "nameserver 192.0.2.1\n"),
        ("nameserver 127.0.0.1\n", "nameserver 8.8.8.8\nnameserver 8.8.4.4\n"),
    ])  # fmt: skip
    def test_servers_on_the_host_s_loopback_are_replaced(self, world: World, host: str, inside: str) -> None:
        """127.0.0.53 is systemd-resolved's, which keeps the servers that it asks in a file of its own."""
        prepare = "mount -t tmpfs t /run && mkdir -p /run/systemd/resolve && echo $1 >/run/systemd/resolve/resolv.conf"
        done = with_resolv_conf(world, host, prepare, "run --rm --network none alpine cat /etc/resolv.conf")
        assert done.stdout == inside, done

    @pytest.mark.parametrize(("words", "message"), [
        ("--dns one.example", "IP address is not correctly formatted: one.example"),
        ("--dns-search a..b", "a..b is not a valid domain"),
        ("--add-host foo", 'bad format for add-host: "foo"'),
        ("--add-host foo:bar", 'invalid IP address in add-host: "bar"'),
        ("--mac-address foo", "foo is not a valid mac address"),
        ("--network nosuch", "network nosuch not found"),
        ("--network-alias a", "network-scoped aliases are only supported for user-defined networks"),
        ("--network host --network bridge", "conflicting options"),
        ("--network container:nosuch", "No such container: nosuch"),
    ])  # fmt: skip
    def test_bad_values(self, world: World, words: str, message: str) -> None:
        code, line = world.refused("run", "--rm", *words.split(), "alpine", "true")
        assert (code, message in line) == (125, True), line


class TestAnothersNetwork:
    def test_it_is_shared_with_its_names(self, world: World) -> None:
        net = world.network()
        owner = world.container("--network", net, "-h", "owner")
        guest = world.container("--network", f"container:{owner}")
        for script in ("hostname", "cat /etc/hosts /etc/resolv.conf", "ip -f inet a", "readlink /proc/self/ns/net"):
            assert world.inside(guest, script) == world.inside(owner, script)
        assert world.lookup(guest, owner) == [world.address(owner, net)]
        third = world("run", "--rm", "--network", f"container:{guest}", "alpine", "hostname")
        assert third == "owner\n"

    def test_what_cannot_be(self, world: World) -> None:
        owner = world.container()
        world("create", "--name", "mdt-asleep", "alpine", "true")
        world.containers.append("mdt-asleep")
        for words, message in {
            "container:mdt-asleep": "cannot join network of a non running container",
            f"container:{owner} --hostname x": "conflicting options: hostname and the network mode",
            f"container:{owner} --dns 192.0.2.1": "conflicting options: dns and the network mode",
            f"container:{owner} --add-host a:192.0.2.1": "custom host-to-IP mapping and the network mode",
            f"container:{owner} --mac-address 02:42:ac:11:00:09": "mac-address and the network mode",
            f"container:{owner} --link {owner}": "container type network can't be used with links",
            f"container:{owner} -p 80": "port publishing and the container type network mode",
        }.items():
            code, line = world.refused("run", "--rm", "--network", *words.split(), "alpine", "true")
            assert (code, message in line) == (125, True), line


class TestTheWorldOutside:
    def test_the_host_s_own_server_is_asked_from_the_host(self, world: World) -> None:
        """As with systemd-resolved, which listens on 127.0.0.53 of the host and nowhere else."""
        net = world.network()
        with server("127.0.0.53", {"far.example.": "192.0.2.53"}) as asked:
            run = f"run --rm --network {net} alpine nslookup far.example"
            done = with_resolv_conf(world, "nameserver 127.0.0.53\n", "true", run)
        assert "Address: 192.0.2.53" in done.stdout, done
        assert {kind for _, kind, _ in asked} >= {"A"}

    def test_others_are_asked_from_the_container(self, world: World) -> None:
        net = world.network()
        gateway = world.inspect(net)["IPAM"]["Config"][0]["Gateway"]
        with server(gateway, {"far.example.": "192.0.2.53"}) as asked:
            container = world.container("--network", net, "--dns", gateway)
            assert world.lookup(container, "far.example") == ["192.0.2.53"]
            assert {client for _, _, client in asked} == {world.address(container, net)}
            before = len(asked)
            assert world.lookup(container, container) == [world.address(container, net)]
            assert world.inside(container, f"nslookup -type=AAAA {container}").count("Address") == 1  # the server's
            assert len(asked) == before, "what is known inside is nobody else's business"

    def test_who_has_no_way_out_asks_nobody(self, world: World) -> None:
        net = world.network("--internal")
        gateway = world.inspect(net)["IPAM"]["Config"][0]["Gateway"]
        with server(gateway, {"far.example.": "192.0.2.53"}) as asked:
            container = world.container("--network", net, "--dns", gateway)
            assert world.lookup(container, "far.example") == []
            assert "SERVFAIL" in world.minidock("exec", container, "nslookup", "far.example").stdout.decode()
            assert asked == []


def in_network_of(world: World, container: str, program: str) -> str:
    """What a Python program prints that runs in the container's network namespace."""
    pid = world("inspect", "-f", "{{.State.Pid}}", container).strip()
    command = ["nsenter", "-t", pid, "-n", sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def with_resolv_conf(world: World, text: str, prepare: str, command: str) -> subprocess.CompletedProcess[str]:
    """Run a command of minidock on a host with another resolv.conf; `prepare` is done in its mount namespace first."""
    path = world.minidock.root.parent / "resolv.conf"
    path.write_text(text)
    program = " ".join(world.minidock.program)
    script = f"{prepare} && mount --bind $2 /etc/resolv.conf && exec {program} {command}"
    return subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "-", "nameserver 192.0.2.53", str(path)],
        capture_output=True, text=True, env=world.minidock.environment, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


@contextmanager
def server(address: str, names: dict[str, str]) -> Iterator[list[tuple[str, str, str]]]:
    """A name server that knows `names`; what it was asked: rows of (name, type, by whom)."""
    asked: list[tuple[str, str, str]] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind((address, 53))

        def serve() -> None:
            while True:
                try:
                    data, client = listener.recvfrom(4096)
                except OSError:
                    return
                question = dnslib.DNSRecord.parse(data)
                name, kind = str(question.q.qname), dnslib.QTYPE[question.q.qtype]
                if not data or name == "end.":
                    return
                asked.append((name, kind, client[0]))
                answer = question.reply()
                if name in names and kind == "A":
                    answer.add_answer(dnslib.RR(name, rdata=dnslib.A(names[name])))
                listener.sendto(answer.pack(), client)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield asked
        finally:
            listener.sendto(dnslib.DNSRecord.question("end.").pack(), (address, 53))
            thread.join()
