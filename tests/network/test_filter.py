"""The way out, and the registry that the rules are made of: looked at in the kernel, and proved by packets."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import prctl
import pytest

from minidock.errors import HostError
from minidock.linux import nftables, syscalls
from minidock.network.endpoint import DEFAULT_CONFIG
from minidock.network.firewall import filter_state, packet_filter
from minidock.network.port_bindings import Published
from tests.network.internet import HOST_ADDRESS, OUTSIDE_ADDRESS, Container, Host, Namespace, ask, reaches_everyone
from tests.network.machine import Machine

MakeContainer = Callable[..., Container]
REFUSED = "the packet filter's rules cannot be written, and no container runs without: "


class TestWayOut:
    def test_the_world_sees_the_host_and_not_the_container(self, host: Host, container: MakeContainer) -> None:
        reaches_everyone(container(host), container(host))

    def test_the_host_and_its_containers_see_each_other_as_they_are(self, host: Host, container: MakeContainer) -> None:
        inside = container(host)
        inside.serve(inside.endpoint.address)
        assert host.call(ask, inside.endpoint.address) == inside.endpoint.gateway
        host.serve(inside.endpoint.gateway)
        assert inside.call(ask, inside.endpoint.gateway) == inside.endpoint.address

    def test_forwarding_is_turned_on(self, host: Host, container: MakeContainer) -> None:
        host.sh("sh", "-c", "echo 0 >/proc/sys/net/ipv4/ip_forward")
        reaches_everyone(container(host), container(host))
        assert host.sh("cat", "/proc/sys/net/ipv4/ip_forward") == "1\n"

    def test_nobody_outside_reaches_a_container_by_its_address(
        self, host: Host, container: MakeContainer, namespaces: list[Namespace]
    ) -> None:
        outside = namespaces[1]
        inside = container(host)
        inside.serve(inside.endpoint.address)
        outside.sh("ip", "route", "add", "172.30.0.0/16", "via", HOST_ADDRESS)
        with pytest.raises(TimeoutError):
            outside.call(ask, inside.endpoint.address, 7777, 0.5)

    def test_rules_are_there_once(self, host: Host, container: MakeContainer) -> None:
        container(host)
        rules = host.rules()
        for _ in range(4):
            container(host)
        assert host.rules() == rules

    @pytest.mark.parametrize(
        "damage", ["flush ruleset", "flush chain inet minidock postrouting", "flush set inet minidock hidden4"]
    )
    def test_rules_that_went_come_back(self, host: Host, container: MakeContainer, damage: str) -> None:
        container(host)
        host.sh("nft", damage)
        reaches_everyone(container(host), container(host))

    def test_rules_of_others_stay(self, host: Host, container: MakeContainer) -> None:
        other = "table ip other {\n\tchain c {\n\t\tip saddr 1.2.3.4 drop\n\t}\n}\n"
        host.sh("nft", "-f", "-", text=other)
        container(host)
        assert host.sh("nft", "list", "table", "ip", "other") == other

    def test_without_nft_it_names_the_package(self, host: Host) -> None:
        host.reserve("a" * 64)

        def without_nft() -> None:
            os.environ["PATH"] = "/nowhere"
            packet_filter.add_endpoints([host.network()], [], {})

        with pytest.raises(HostError, match="install the package nftables"):
            host.call(without_nft)

    def test_a_kernel_that_refuses_is_one_line(self, host: Host) -> None:
        host.reserve("a" * 64)

        def without_rights() -> list[str]:
            prctl.capbset.net_admin = False  # what nft may not have, though root runs it
            return packet_filter.add_endpoints([host.network()], [], {})

        with pytest.raises(HostError) as refused:
            host.call(without_rights)
        assert "stdin" not in str(refused.value)
        assert str(refused.value).startswith(REFUSED)
        assert str(refused.value).endswith("Operation not permitted")

    def test_a_host_that_is_to_be_no_router_has_the_rules_all_the_same(
        self, host: Host, container: MakeContainer
    ) -> None:
        inside = container(host)

        def read_only() -> list[str]:
            syscalls.unshare(syscalls.CLONE_NEWNS)
            subprocess.run(["mount", "--make-rprivate", "/"], check=True)
            subprocess.run(["mount", "-o", "bind,ro", "/proc/sys", "/proc/sys"], check=True)
            return packet_filter.add_endpoints([host.network()], [inside.endpoint], {}, anew=True)

        host.sh("nft", "flush", "ruleset")
        host.sh("sh", "-c", "echo 0 >/proc/sys/net/ipv4/ip_forward")
        (warning,) = host.call(read_only)
        assert warning.endswith(": cannot write /proc/sys/net/ipv4/ip_forward: Read-only file system")
        assert host.elements("bridge", "cables") == [inside.endpoint.host_interface]


class TestNoRulesNoStart:
    """What fails today may hold tomorrow: only a kernel that can never have the rules runs containers without."""

    @pytest.fixture
    def nft_that_says(self, tmp_path: Path) -> Callable[[str], dict[str, str]]:
        """An nft in front of the real one that refuses whatever it is to write."""

        def make(error: str) -> dict[str, str]:
            (tmp_path / "bin").mkdir()
            refuse = f"case $1 in -f) cat >/dev/null; echo '{error}' >&2; exit 1;; esac"
            (tmp_path / "bin/nft").write_text(f'#!/bin/sh\n{refuse}\nexec {shutil.which("nft")} "$@"\n')
            (tmp_path / "bin/nft").chmod(0o755)
            return {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}

        return make

    @pytest.mark.parametrize("why", ["Cannot allocate memory", "No such file or directory", "Operation not permitted"])
    def test_what_can_be_otherwise_a_moment_later(
        self, machine: Machine, nft_that_says: Callable[[str], dict[str, str]], why: str, tmp_path: Path
    ) -> None:
        error = f"/dev/stdin:1:1-2: Error: Could not process rule: {why}"
        words = ("run", "--rm", "-v", f"{tmp_path}:/seen", "alpine", "touch", "/seen/ran")
        code, _, errors = machine(*words, env=nft_that_says(error))
        assert (code, errors.count("\n")) == (125, 1)
        assert errors.startswith(f"minidock: {REFUSED}")
        assert errors.endswith(f"{why}\n")
        assert not (tmp_path / "ran").exists()
        assert machine.ok("ps", "-aq") == ""

    def test_a_kernel_that_cannot(self, machine: Machine, nft_that_says: Callable[[str], dict[str, str]]) -> None:
        environment = nft_that_says("/dev/stdin:1:1-2: Error: Could not process rule: Operation not supported")
        code, _, errors = machine("run", "--rm", "alpine", "true", env=environment)
        assert (code, errors.count("\n")) == (0, 1)
        assert "have no way out of this host" in errors
        code, _, errors = machine("run", "--rm", "-p", "8080", "alpine", "true", env=environment)
        assert (code, errors.count("\n")) == (125, 1)
        assert errors.startswith("minidock: ports cannot be published on this host: ")

    def test_a_kernel_that_does_not_say(self, host: Host) -> None:
        host.reserve("a" * 64)

        def without_rights() -> list[str]:
            prctl.cap_effective.net_admin = False
            return packet_filter.add_endpoints([host.network()], [], {})

        with pytest.raises(HostError, match="no container runs without: the kernel does not tell the state of nf_tab"):
            host.call(without_rights)

    def test_rules_that_others_take_away_at_the_same_time(self, machine: Machine, tmp_path: Path) -> None:
        """The change starts from what is no longer there: then all is written anew."""
        first = machine.run()
        (tmp_path / "bin").mkdir()
        nft, once = shutil.which("nft"), tmp_path / "once"
        flush = f"case $1 in -f) [ -e {once} ] || {nft} flush ruleset; touch {once};; esac"
        (tmp_path / "bin/nft").write_text(f'#!/bin/sh\n{flush}\nexec {nft} "$@"\n')
        (tmp_path / "bin/nft").chmod(0o755)
        code, out, errors = machine("run", "-d", "--rm", "alpine", "sleep", "600",
                                    env={"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"})  # fmt: skip
        assert (code, errors) == (0, "")
        second = machine.look(out.strip())
        cables = {row["host_interface"] for inside in (first, second) for row in inside.record["networks"].values()}
        assert set(machine.host.elements("bridge", "cables")) == cables


class TestRegistry:
    """The file that the rules are made of, and the generation that says whether the kernel still holds them."""

    def test_nothing_is_written_when_nothing_has_changed(self, host: Host, container: MakeContainer) -> None:
        first = container(host)
        before = generation(host)
        assert host.connect(first.endpoints, first) == []
        assert generation(host) == before

    def test_a_container_is_one_step_in_and_one_step_out(self, host: Host, container: MakeContainer) -> None:
        container(host)
        rules, before = host.sh("nft", "list", "ruleset"), generation(host)
        second = container(host)
        assert generation(host) == before + 1
        host.release(second.id)
        assert (generation(host), host.sh("nft", "list", "ruleset")) == (before + 2, rules)

    def test_counters_survive_the_next_container(self, host: Host, container: MakeContainer) -> None:
        inside = container(host)
        inside.sh("ip", "address", "add", "203.0.113.99/32", "dev", "eth0")
        with inside.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.bind(("203.0.113.99", 0))
            client.sendto(b"x", (OUTSIDE_ADDRESS, 1))
        dropped = host.dropped("forged")
        container(host)
        assert host.dropped("forged") == dropped > 0

    def test_a_killed_writer_is_noticed(self, host: Host, container: MakeContainer) -> None:
        """Between nft and the registry: the kernel holds what the file does not know of."""
        first = container(host)
        before = Path(host.registry).read_text()
        second = container(host)
        Path(host.registry).write_text(before)
        third = container(host)
        assert set(host.elements("bridge", "cables")) == {first.endpoint.host_interface, third.endpoint.host_interface}
        host.connect(second.endpoints, second)
        assert len(host.elements("bridge", "cables")) == 3

    def test_one_of_an_earlier_boot_counts_for_nothing(self, host: Host, container: MakeContainer) -> None:
        first = container(host)
        content = json.loads(Path(host.registry).read_text())
        Path(host.registry).write_text(json.dumps({**content, "boot": "another"}))
        assert host.call(filter_state.is_intact) is None
        second = container(host)
        assert host.elements("bridge", "cables") == [second.endpoint.host_interface]
        assert first.endpoint.host_interface not in Path(host.registry).read_text()

    def test_rules_of_another_version_are_written_anew(self, host: Host, container: MakeContainer) -> None:
        """Of one, here, that had one set less."""
        first = container(host)
        for rule in host.rules():
            if "senders6" in json.dumps(rule):
                host.sh("nft", "delete", "rule", "bridge", "minidock", rule["chain"], "handle", str(rule["handle"]))
        host.sh("nft", "delete", "set", "bridge", "minidock", "senders6")
        content = json.loads(Path(host.registry).read_text())
        changed = {**content, "form": content["form"] ^ 1, "generation": generation(host)}
        Path(host.registry).write_text(json.dumps(changed))
        host.add_network("dual", "10.66.0.0/24", "fd00:66::/64")
        second = container(host, dual=DEFAULT_CONFIG)
        cables = {first.endpoint.host_interface, second.endpoint.host_interface}
        assert set(host.elements("bridge", "cables")) == cables
        assert host.call(filter_state.is_intact)

    def test_rules_of_a_cable_that_is_gone_go_with_the_next_change(self, host: Host, container: MakeContainer) -> None:
        first = container(host, None, Published("tcp", "0.0.0.0", 8080, 80))
        host.sh("ip", "link", "delete", first.endpoint.host_interface)
        second = container(host)
        assert host.elements("bridge", "cables") == [second.endpoint.host_interface]
        assert host.elements("inet", "published4") == []

    def test_a_port_that_changes_hands_leads_to_the_new_one(self, host: Host, container: MakeContainer) -> None:
        """The old container has ended and let go of its port, but nobody has taken its rules back yet."""
        container(host, None, Published("tcp", "0.0.0.0", 8080, 80), Published("udp", "127.0.0.1", 53, 53))
        second = container(host, None, Published("tcp", "127.0.0.1", 8080, 80))
        listed = host.sh("nft", "list", "map", "inet", "minidock", "published4")
        assert f"tcp . 127.0.0.1 . 8080 : {second.endpoint.address} . 80" in listed
        assert "0.0.0.0/0" not in listed
        assert "udp . 127.0.0.1 . 53" in listed

    def test_mending_is_for_what_others_have_changed(self, host: Host, container: MakeContainer) -> None:
        inside = container(host)
        before = generation(host)
        host.call(packet_filter.repair)
        assert generation(host) == before
        host.sh("nft", "flush", "ruleset")
        host.call(packet_filter.repair)
        assert inside.call(ask, OUTSIDE_ADDRESS) == HOST_ADDRESS

    def test_what_others_change_of_theirs_is_no_reason_to_write(self, host: Host, container: MakeContainer) -> None:
        _publish(host, container)
        host.sh("nft", "add", "table", "ip", "theirs")
        before = generation(host)
        host.call(packet_filter.repair)
        assert generation(host) == before
        assert host.call(filter_state.is_intact)

    @pytest.mark.parametrize("change", [
        "delete element bridge minidock cables { {cable} }",
        'add element bridge minidock cables { "up0" }',
        "flush map inet minidock published6",
        "flush chain inet minidock raw_prerouting",
        "insert rule inet minidock forward accept",
        "replace rule inet minidock forward handle {handle} counter accept",
        "chain inet minidock forward { policy drop; }",
        "add set inet minidock theirs { type ifname; }",
        "delete table bridge minidock",
    ])  # fmt: skip
    def test_what_others_change_of_ours_is_put_right(self, host: Host, container: MakeContainer, change: str) -> None:
        cable = _publish(host, container)
        before = host.sh("nft", "--stateless", "list", "ruleset")
        handle = next(rule["handle"] for rule in host.rules() if rule["chain"] == "forward")
        host.sh("nft", change.replace("{cable}", cable).replace("{handle}", str(handle)))
        assert host.sh("nft", "--stateless", "list", "ruleset") != before
        host.call(packet_filter.repair)
        assert host.sh("nft", "--stateless", "list", "ruleset") == before

    def test_ipv6_keeps_the_hosts_own_way_out(self, host: Host, container: MakeContainer) -> None:
        host.sh("sysctl", "-qw", "net.ipv6.conf.up0.accept_ra=1")
        host.add_network("dual", "10.66.0.0/24", "fd00:66::/64")
        container(host, dual=DEFAULT_CONFIG)
        assert host.sh("sysctl", "-n", "net.ipv6.conf.all.forwarding", "net.ipv6.conf.up0.accept_ra") == "1\n2\n"


def _publish(host: Host, container: MakeContainer) -> str:
    """A container that has something in every set and map; the host's end of its cable."""
    host.add_network("dual", "10.66.0.0/24", "fd00:66::/64")
    everywhere = (Published("tcp", "0.0.0.0", 8080, 80), Published("tcp", "::", 8080, 80))
    inside = container(host, None, *everywhere, Published("udp", "127.0.0.1", 53, 53), dual=DEFAULT_CONFIG)
    return inside.endpoint.host_interface


def generation(host: Host) -> int:
    generation: int = host.call(nftables.generation)
    return generation
