"""Who a process runs as: digits are an id, whatever the image's files say of them (CVE-2016-3697)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.command import Minidock

PASSWD = ("1000:x:0:0::/bad:", "toor:x:0:0::/toor:", " sp:x:55:56::/sp:", "lead:x:007:08::/lead:", "neg:x:-5:5::/x:",
          "twice:x:70:71::/one:", "twice:x:72:73::/two:")  # fmt: skip
GROUP = ("2000:x:0:1000", "more:x:77:toor,1000,sp", "g9:x:0099:")
SHOW = ("sh", "-c", "id -u; id -g; id -G; echo $HOME")


@pytest.fixture(scope="module")
def image(engine: Minidock) -> Iterator[str]:
    """An image whose users and groups have odd names and numbers."""
    lines = (f"echo '{line}' >> /etc/{file}" for file, rows in (("passwd", PASSWD), ("group", GROUP)) for line in rows)
    done = engine("run", "--name", "odd-users", "--network", "none", "alpine", "sh", "-ec", "; ".join(lines))
    assert done.returncode == 0, done.stderr
    assert engine("commit", "-c", "USER 1000:2000", "odd-users", "odd-users").returncode == 0
    engine("rm", "odd-users")
    yield "odd-users"
    engine("rmi", "-f", "odd-users")


@pytest.fixture(scope="module")
def running(engine: Minidock, image: str) -> Iterator[str]:
    """A container of that image."""
    assert engine("run", "-d", "--network", "none", "--name", "odd-users", image, "sleep", "1000").returncode == 0
    yield "odd-users"
    engine("rm", "-f", "odd-users")


# What docker 26 shows, asked beside it.
CASES = {
    "": ["1000", "2000", "2000", "/"],  # the image's own USER
    "1000": ["1000", "0", "0", "/"],
    "+1000": ["1000", "0", "0", "/"],
    "0001000": ["1000", "0", "0", "/"],
    "0:2000": ["0", "2000", "2000", "/root"],
    ":+099": ["0", "99", "99", "/root"],
    "root:g9": ["0", "99", "99", "/root"],
    "toor": ["0", "0", "0 77", "/root"],
    "sp": ["55", "56", "56 77", "/sp"],
    "lead": ["7", "8", "8", "/sbin"],
    "twice": ["70", "71", "71", "/one"],
    "72": ["72", "73", "73", "/two"],
    "toor:more:and-no-more": ["0", "77", "77", "/root"],
}
REFUSED = {
    "neg": "uids and gids must be in range 0-2147483647",
    "-1": "uids and gids must be in range 0-2147483647",
    "1:-1": "uids and gids must be in range 0-2147483647",
    "4294967296": "uids and gids must be in range 0-2147483647",
    "99999999999999999999": "unable to find user 99999999999999999999: no matching entries in passwd file",
    "1e3": "unable to find user 1e3: no matching entries in passwd file",
    "1_0": "unable to find user 1_0: no matching entries in passwd file",
    " 0": "unable to find user 0: no matching entries in passwd file",
    "٣": "unable to find user ٣: no matching entries in passwd file",
    "0:nosuch": "unable to find group nosuch: no matching entries in group file",
}


@pytest.mark.parametrize("user", CASES)
def test_in_an_exec(engine: Minidock, running: str, user: str) -> None:
    done = engine("exec", *(("-u", user) if user else ()), running, *SHOW)
    assert done.stdout.decode().splitlines() == CASES[user], done.stderr.decode()


@pytest.mark.parametrize("user", ["", "1000", "0001000:+2000", "toor"])
def test_in_a_container(engine: Minidock, image: str, user: str) -> None:
    asked = ("-u", user) if user else ()
    done = engine("run", "--rm", "--network", "none", *asked, image, *SHOW)
    expected = CASES.get(user) or ["1000", "2000", "2000", "/"]
    assert done.stdout.decode().splitlines() == expected, done.stderr.decode()


def test_a_further_group_of_digits(engine: Minidock, image: str) -> None:
    groups = ("--group-add", "2000", "--group-add", "+099")
    done = engine("run", "--rm", "--network", "none", "-u", "sp", *groups, image, "id", "-G")
    assert done.stdout.split() == [b"56", b"77", b"99", b"2000"], done.stderr.decode()


@pytest.mark.parametrize("user", REFUSED)
def test_who_there_is_not(engine: Minidock, running: str, user: str) -> None:
    done = engine("exec", "-u", user, running, "true")
    assert (done.returncode, done.stdout) == (126, b"")
    assert REFUSED[user] in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1


def test_an_empty_home_is_none(engine: Minidock, running: str) -> None:
    assert engine("exec", "-e", "HOME=", "-u", "sp", running, "sh", "-c", "echo $HOME").stdout == b"/sp\n"
