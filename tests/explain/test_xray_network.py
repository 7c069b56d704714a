"""The network of an X-ray, beside what `ip` says on both sides of the wall and what the packet filter holds."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from tests.explain.looking import Container, Xray, namespace, running
from tests.support.command import Minidock


def links(*command: str) -> dict[str, Any]:
    done = subprocess.run([*command, "ip", "-j", "-s", "address"], capture_output=True, check=True)
    return {row["ifname"]: row for row in json.loads(done.stdout)}


def test_the_network_on_both_sides(web: Container, xray: Xray) -> None:
    inside, outside = links("nsenter", "-t", str(web.pid), "-n"), links()
    network = xray["running"]["network"]
    assert network["mode"] == "own"
    (cable,) = network["cables"]
    eth0, veth, bridge = inside["eth0"], outside[cable["outside"]["name"]], outside[cable["bridge"]["name"]]
    assert (cable["inside"]["name"], cable["inside"]["number"]) == ("eth0", eth0["ifindex"])
    assert (veth["link_index"], eth0["link_index"]) == (eth0["ifindex"], veth["ifindex"])
    assert veth["master"] == cable["bridge"]["name"]
    for row, seen in ((cable["inside"], eth0), (cable["outside"], veth), (cable["bridge"], bridge)):
        assert (row["mac"], row["mtu"]) == (seen["address"], seen["mtu"])
        addresses = [f"{address['local']}/{address['prefixlen']}" for address in seen["addr_info"]]
        assert sorted(row["addresses"]) == sorted(addresses)
    route = subprocess.run(["nsenter", "-t", str(web.pid), "-n", "ip", "-j", "route", "show", "default"],
                           capture_output=True, check=True)  # fmt: skip
    assert cable["gateway"] == json.loads(route.stdout)[0]["gateway"]
    assert [(row["port"], row["protocol"]) for row in network["listening"]] == [(80, "tcp")]
    assert network["nameservers"] == [
        line.split()[1] for line in web.shell("cat /etc/resolv.conf").splitlines() if line.startswith("nameserver")
    ]


def test_counters_are_the_kernels(web: Container) -> None:
    before = web.xray()["running"]["network"]["cables"][0]
    web.shell("ping -c 3 -i 0.1 -s 1000 $(ip route | sed -n 's/default via \\([^ ]*\\).*/\\1/p') >/dev/null")
    after = web.xray()["running"]["network"]["cables"][0]
    seen = links()[after["outside"]["name"]]["stats64"]
    assert after["inside"]["sent"] - before["inside"]["sent"] >= 3 * 1028
    # Asked in this order: outside, inside, and now once more.
    assert after["outside"]["received"] <= after["inside"]["sent"] <= seen["rx"]["bytes"]


def test_a_published_port_is_found_in_the_packet_filter(web: Container, xray: Xray) -> None:
    address = xray["running"]["network"]["cables"][0]["inside"]["addresses"][0].partition("/")[0]
    (row,) = [row for row in xray["running"]["network"]["published"] if ":" not in row["address"]]
    assert (row["protocol"], row["host_address"], row["host_port"]) == ("tcp", "", "18080")
    assert (row["address"], row["port"]) == (address, "80")


def test_the_way_out_is_the_rule_that_masquerades(engine: Minidock) -> None:
    """With an uplink the rule is found; without one there is nothing to find."""
    commands = (
        "ip link add mdtup type veth peer name mdtpeer", "ip address add 198.18.77.1/24 dev mdtup",
        "ip link set mdtup up", "ip link set mdtpeer up", "ip route add default via 198.18.77.2 metric 7",
    )  # fmt: skip
    had_default = bool(subprocess.run(["ip", "route", "show", "default"], capture_output=True, check=True).stdout)
    for command in commands:
        subprocess.run(command.split(), check=True)
    try:
        with running(engine, "out", "alpine", "sleep", "1000") as container:
            network = container.xray()["running"]["network"]
            rule = network["cables"][0]["masquerade"]
            assert "masquerade" in rule["text"]
            assert rule["table"].split()[1] == "minidock"
            assert had_default or network["uplink"]["name"] == "mdtup"
    finally:
        subprocess.run(["ip", "link", "delete", "mdtup"], check=True)


def test_several_networks_and_a_container_that_shares_them(engine: Minidock) -> None:
    assert engine("network", "create", "front").returncode == 0
    assert engine("network", "create", "--internal", "back").returncode == 0
    try:
        with running(engine, "app", "--network", "front", "alpine", "sleep", "1000") as app:
            assert engine("network", "connect", "back", "app").returncode == 0
            with running(engine, "side", "--network", "container:app", "alpine", "sleep", "1000") as side:
                found, beside = app.xray()["running"], side.xray()["running"]
                assert [cable["network"] for cable in found["network"]["cables"]] == ["front", "back"]
                assert found["network"]["cables"][1]["masquerade"] is None
                assert (found["network"]["mode"], found["network"]["shared_with"]) == ("shared", ["side"])
                assert beside["network"]["shared_with"] == ["app"]
                shared = {row["kind"]: row["shared_with"] for row in beside["namespaces"]}
                assert (shared["network"], shared["pid"]) == (["app"], [])
                assert namespace(app.pid, "net") == namespace(side.pid, "net")
    finally:
        engine("network", "rm", "front", "back")


def test_names_that_a_container_has_chosen_may_hold_anything(engine: Minidock) -> None:
    """Root in a container's namespaces can call its interface, its host and a mount point whatever it likes."""
    with running(engine, "odd", "alpine", "sleep", "1000") as container:
        inside = ["nsenter", "-t", str(container.pid), "-n", "-u", "-m"]
        script = (
            "cd /tmp; ip link set eth0 down; name=$(printf '\\377<b>\\033'); ip link set eth0 name \"$name\"; "
            "hostname \"$(printf '\\377<i>\\n.')\"; mkdir '/tmp/a b<s>'; mount -t tmpfs none '/tmp/a b<s>'"
        )
        subprocess.run([*inside, "sh", "-ec", script], check=True)
        found = container.xray()["running"]
        assert found["network"]["cables"][0]["inside"]["name"] == "\udcff<b>\x1b"
        assert found["hostname"] == "\udcff<i>\n."
        assert "/tmp/a b<s>" in [mount["path"] for mount in found["mounts"]]
        for words, names in (
            ([], [r"\xff<b>\x1b", r"\xff<i>\n.", "/tmp/a b<s>"]),
            (["--html", "-"], [r"\xff&lt;b&gt;\x1b", r"\xff&lt;i&gt;\n.", "/tmp/a b&lt;s&gt;"]),
        ):
            done = engine("xray", *words, "odd")
            assert (done.returncode, done.stderr) == (0, b"")
            assert [name for name in names if name not in done.stdout.decode()] == []
            assert b"\x1b" not in done.stdout


@pytest.mark.parametrize(("mode", "interfaces"), [("none", ["lo"]), ("host", [])])
def test_other_modes_of_the_network(engine: Minidock, mode: str, interfaces: list[str]) -> None:
    with running(engine, f"net-{mode}", "--network", mode, "alpine", "sleep", "1000") as container:
        found = container.xray()["running"]
        assert found["network"]["mode"] == mode
        assert found["network"]["cables"] == []
        assert ([found["network"]["loopback"]["name"]] if found["network"]["loopback"] else []) == interfaces
        own = next(row["is_own"] for row in found["namespaces"] if row["kind"] == "network")
        assert own == (namespace(container.pid, "net") != namespace("self", "net")) == (mode == "none")
