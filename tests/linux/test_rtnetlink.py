"""Messages to the kernel, and what `ip` says of the outcome."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from minidock.linux import rtnetlink
from minidock.observe import Call, Observer, observing
from tests.network.internet import Namespace


@pytest.fixture
def other() -> Iterator[Namespace]:
    """A network namespace with nothing in it but lo."""
    namespace = Namespace("other")
    yield namespace
    namespace.close()


def test_only_the_messages_of_pyroute2_are_loaded_and_the_real_package_stays_importable() -> None:
    program = """
import sys
from minidock.linux import rtnetlink
rtnetlink.encoders()
assert "pyroute2" not in sys.modules and "asyncio" not in sys.modules and "sqlite3" not in sys.modules
from pyroute2 import IPRoute
with IPRoute() as route:
    assert route.link_lookup(ifname="lo") == [1]
assert rtnetlink.encoders().ifinfmsg.__module__ in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_kernels_own_words_are_in_the_error(other: Namespace) -> None:
    def wrong() -> None:
        with rtnetlink.Rtnetlink() as rtnl:
            rtnl.set_default_route(1, "192.0.2.77")

    with pytest.raises(OSError, match=r"RTM_NEWROUTE default via 192\.0\.2\.77 dev 1: .+ \(.*gateway.*\)"):
        other.call(wrong)


def test_what_does_not_exist_is_told_apart(other: Namespace) -> None:
    def delete() -> bool:
        try:
            with rtnetlink.Rtnetlink() as rtnl:
                rtnl.delete_link("none0")
        except OSError as error:
            return rtnetlink.is_missing(error)
        return False

    assert other.call(delete)
    assert not rtnetlink.exists("none0")


def test_a_bridge_and_its_address(other: Namespace) -> None:
    def make() -> None:
        with rtnetlink.Rtnetlink() as rtnl:
            rtnl.add_bridge("b0", "02:42:0a:00:00:01", 1300)
            rtnl.add_address(socket.if_nametoindex("b0"), "10.0.0.1", 24, "10.0.0.255")

    other.call(make)
    (shown,) = json.loads(other.sh("ip", "-j", "-d", "address", "show", "b0"))
    assert (shown["address"], shown["mtu"]) == ("02:42:0a:00:00:01", 1300)
    assert shown["linkinfo"]["info_kind"] == "bridge"
    assert shown["linkinfo"]["info_data"]["forward_delay"] == 0
    assert "UP" in shown["flags"]
    assert shown["addr_info"][0]["local"] == "10.0.0.1"


def test_every_route_of_every_table_is_seen(other: Namespace) -> None:
    other.sh("ip", "route", "add", "10.1.0.0/16", "dev", "lo", "table", "1234")
    other.sh("ip", "route", "add", "unreachable", "10.2.0.0/16")

    def networks() -> list[tuple[str, int]]:
        with rtnetlink.Rtnetlink() as rtnl:
            return [(network.address, network.prefix) for network in rtnl.networks()]

    assert {("10.1.0.0", 16), ("10.2.0.0", 16), ("127.0.0.1", 8)} <= set(other.call(networks))


def test_entering_a_namespace_and_coming_back(other: Namespace) -> None:
    home = os.stat("/proc/thread-self/ns/net").st_ino
    with contextlib.suppress(ZeroDivisionError), rtnetlink.entered(other.fd):
        assert os.stat("/proc/thread-self/ns/net").st_ino == os.fstat(other.fd).st_ino
        raise ZeroDivisionError
    assert os.stat("/proc/thread-self/ns/net").st_ino == home


def test_observers_see_each_message_and_can_make_it_fail(other: Namespace) -> None:
    class Fault(Observer):
        def before(self, call: Call) -> None:
            if call.name == "netlink" and "lo up" in call.arguments[0]:
                raise OSError(12, "injected")

    def fail() -> None:
        with observing(Fault()), rtnetlink.Rtnetlink() as rtnl:
            rtnl.set_up("lo")

    with pytest.raises(OSError, match="injected"):
        other.call(fail)


def test_mtu(other: Namespace) -> None:
    other.sh("ip", "link", "set", "lo", "mtu", "4321")
    assert other.call(rtnetlink.mtu_of, "lo") == 4321
