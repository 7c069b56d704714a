"""A container by hand: the script that `--explain=shell` writes makes the same container with the usual commands."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.engine.containers import eventually
from tests.support.command import Minidock

# What a look from inside shows: names, processes, network, files, devices, what is hidden and what is read-only.
LOOK = """
hostname
ps -o pid,comm | grep -v 'sh$' | grep -c sleep || true
ip -o link | cut -d: -f2 | cut -d@ -f1
ip -o -4 address | awk '{print $2, $4}'
ip route
cat /etc/hosts /etc/hostname /etc/resolv.conf
awk '{print $1, $2, $3}' /proc/mounts | grep -v overlay | sort
ls -l /dev | awk '{print $1, $5, $6}' | grep ^c
umask; pwd; id -un; env | sort; ulimit -n
cat /proc/keys | wc -c; touch /proc/sys/kernel/hostname 2>&1 || echo read-only
readlink /proc/1/exe
"""


def by_hand(script: Path) -> str:
    """What the script's container says."""
    done = subprocess.run(["sh", script], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20,
                          check=False)  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize(
    "options",
    [
        ["--network", "none"],
        [],
        ["--network", "none", "-h", "by-hand", "-e", 'QUOTED=it\'s "so" $HOME', "-w", "/made/for it"],
        ["--network", "none", "-v", "/usr/share:/mnt/share:ro", "--tmpfs", "/scratch:size=1m", "--read-only"],
        ["--network", "none", "--ulimit", "nofile=100:200", "--sysctl", "net.core.somaxconn=99"],
    ],
    ids=["no network", "a bridge", "names", "mounts", "limits"],
)
def test_the_container_is_the_same(engine: Minidock, tmp_path: Path, options: list[str]) -> None:
    script = tmp_path / "script"
    words = ["run", "--rm", f"--explain=shell:{script}", *options, "alpine", "sh", "-c", LOOK]
    done = engine(*words)
    assert (done.returncode, done.stderr) == (0, b"")
    assert by_hand(script) == done.stdout.decode()


def test_the_first_container_after_a_boot(engine: Minidock, tmp_path: Path) -> None:
    """It finds no bridge and no rules, and makes them; when its script is run, they are there."""
    script, name = tmp_path / "script", bridge_of(engine)
    subprocess.run(["ip", "link", "delete", name], check=True)
    for family in ("inet", "bridge"):
        subprocess.run(["nft", "delete", "table", family, "minidock"], check=True)
    words = ["run", "--rm", f"--explain=shell:{script}", "-p", "18090:80", "alpine", "ip", "-4", "-o", "address"]
    done = engine(*words)
    assert done.returncode == 0, done.stderr
    assert f"ip link add {name}" in script.read_text()
    before = rules()
    for _ in range(2):
        assert by_hand(script) == done.stdout.decode()
        assert rules() == before
    subprocess.run(["ip", "link", "delete", name], check=True)
    assert by_hand(script) == done.stdout.decode(), "it makes the bridge itself where there is none"


def test_a_script_that_fails_leaves_nothing(engine: Minidock, tmp_path: Path) -> None:
    script, here = tmp_path / "script", tmp_path / "here"
    here.mkdir()
    words = ["run", "--rm", f"--explain=shell:{script}", "alpine", "true"]
    assert engine(*words).returncode == 0
    text = script.read_text()
    group = next(line.split()[-1] for line in text.splitlines() if line.startswith("mkdir -p -m 755 /sys/fs/cgroup/"))
    for victim in ("ip link set md", "mount -t overlay"):
        script.write_text(text.replace(victim, "false ", 1))
        environment = {"PATH": os.environ["PATH"], "TMPDIR": str(here)}
        done = subprocess.run(["sh", script], stdin=subprocess.DEVNULL, capture_output=True, timeout=20, check=False,
                              env=environment)  # fmt: skip
        assert done.returncode != 0, victim
        assert list(here.iterdir()) == []
        container_id = next(line.split()[0][3:] for line in text.splitlines() if line.startswith("id="))
        assert not Path(group.replace("$id", container_id)).exists()

    def cables() -> list[str]:
        links = json.loads(subprocess.check_output(["ip", "-j", "link"]))
        return [row["ifname"] for row in links if row["ifname"].startswith("md" + container_id[:12])]

    eventually(lambda: not cables())  # the kernel removes them some time after the last process


def bridge_of(engine: Minidock) -> str:
    """The interface that is the default network's bridge."""
    network = json.loads(engine("network", "inspect", "bridge").stdout)[0]
    return str(network["Options"]["com.docker.network.bridge.name"])


def rules() -> list[str]:
    """What is in the packet filter's own tables, without what only counts."""
    tables = [subprocess.check_output(["nft", "list", "table", family, "minidock"], text=True)
              for family in ("inet", "bridge")]  # fmt: skip
    return [re.sub(r"packets \d+ bytes \d+", "", line) for table in tables for line in table.splitlines()]


def test_a_container_that_was_there_before(engine: Minidock, tmp_path: Path) -> None:
    """The script of `start` has directories of its own: the container keeps its files to itself."""
    script = tmp_path / "script"
    look = "hostname; ls /only; ip -o -4 address | awk '{print $2, $4}'"
    made = engine("create", "--name", "by-hand", "alpine", "sh", "-c", f"mkdir -p /only; touch /only/here; {look}")
    assert made.returncode == 0
    try:
        done = engine("start", "-a", f"--explain=shell:{script}", "by-hand")
        assert (done.returncode, done.stderr) == (0, b"")
        directory = engine.root / "containers" / made.stdout.decode().strip()
        assert str(directory) not in script.read_text()
    finally:
        engine("rm", "by-hand")
    assert by_hand(script) == done.stdout.decode()


def test_its_exit_code_is_the_programs(engine: Minidock, tmp_path: Path) -> None:
    script = tmp_path / "script"
    words = ["run", "--rm", "--network", "none", f"--explain=shell:{script}", "alpine", "sh", "-c", "exit 7"]
    assert engine(*words).returncode == 7
    assert subprocess.run(["sh", script], stdin=subprocess.DEVNULL, timeout=20, check=False).returncode == 7


def test_input_and_output_are_the_scripts_own(engine: Minidock, tmp_path: Path) -> None:
    script = tmp_path / "script"
    words = ["run", "--rm", "-i", "--network", "none", f"--explain=shell:{script}", "alpine", "cat"]
    assert engine(*words, input=b"once").stdout == b"once"
    done = subprocess.run(["sh", script], input=b"again", capture_output=True, timeout=20, check=False)
    assert (done.stdout, done.stderr) == (b"again", b"")


def test_a_network_by_hand(engine: Minidock, tmp_path: Path) -> None:
    """A command that makes no container is told as its commands."""
    script = tmp_path / "script"
    assert engine("network", "create", f"--explain=shell:{script}", "by-hand").returncode == 0
    made = engine("network", "rm", "by-hand")
    assert made.returncode == 0
    lines = script.read_text().splitlines()
    bridge = next(line for line in lines if line.startswith("ip link add"))
    assert " type bridge" in bridge
    name = bridge.split()[3]
    commands = [line for line in lines if line.startswith("ip ")]
    assert subprocess.run(["sh", "-ec", "\n".join(commands)], check=False).returncode == 0
    shown = subprocess.run(["ip", "-br", "address", "show", name], capture_output=True, text=True, check=True).stdout
    subprocess.run(["ip", "link", "delete", name], check=True)
    assert "/16" in shown
