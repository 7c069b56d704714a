"""What commands do, done by hand with the "shell" lines of their calls: the same comes of it."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import tarfile
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.engine.containers import eventually
from tests.explain.test_shell import box, shells, told, typed
from tests.explain.test_witness import monitor_of
from tests.support.command import Minidock

__all__ = ["box"]


def test_a_pause_by_hand(engine: Minidock, tmp_path: Path, box: int) -> None:
    lines = {}
    for word in ("pause", "unpause"):
        rows = told(engine, tmp_path / "told", word, "box")
        lines[word] = next(row["shell"] for row in rows if "cgroup.freeze" in row.get("shell", ""))
    events = Path(lines["pause"].split(" > ")[1]).with_name("cgroup.events")
    typed(lines["pause"])
    eventually(lambda: "frozen 1" in events.read_text())
    typed(lines["unpause"])
    eventually(lambda: "frozen 0" in events.read_text())


def test_what_a_commit_does_by_hand(engine: Minidock, tmp_path: Path, box: int) -> None:
    """Nothing is written while it is read: its lines are those of pause and unpause."""
    try:
        freeze, thaw = shells(told(engine, tmp_path / "told", "commit", "box", "by-hand:1"))
    finally:
        engine("rmi", "by-hand:1")
    events = Path(freeze.split(" > ")[1]).with_name("cgroup.events")
    typed(freeze)
    eventually(lambda: "frozen 1" in events.read_text())
    typed(thaw)
    eventually(lambda: "frozen 0" in events.read_text())


def test_a_signal_and_a_stop_by_hand(engine: Minidock, tmp_path: Path) -> None:
    """The container stops with all that belongs to it, while its monitor stands still and cannot help."""
    words = (
        "run",
        "-d",
        "--name",
        "box",
        "alpine",
        "sh",
        "-c",
        "trap 'echo heard' HUP; sleep 1000 & while :; do wait; done",
    )
    assert engine(*words).returncode == 0
    try:
        own = ("inspect", "-f", "{{.State.Pid}} {{.NetworkSettings.IPAddress}} {{.NetworkSettings.MacAddress}}", "box")
        first = engine(*own).stdout.decode().split()
        typed(*shells(told(engine, tmp_path / "told", "kill", "-s", "HUP", "box")))
        eventually(lambda: engine("logs", "box").stdout == b"heard\nheard\n")
        lines = shells(told(engine, tmp_path / "told", "stop", "-t", "0", "box"))
        without = rules()
        assert engine("start", "box").returncode == 0
        second = engine(*own).stdout.decode().split()
        for one in (first, second):
            one.append("".join(one[2].split(":")[2:]).replace("ac", "acfffe", 1))  # the end of its link-local address
        for old, new in zip(first, second, strict=True):
            lines = [re.sub(rf"(\b|(?<=0042)){old}\b", new, line) for line in lines]
        cgroup = Path(next(line for line in lines if "cgroup.kill" in line).split(" > ")[1]).parent
        assert cgroup.is_dir()
        monitor = monitor_of(engine, "box")
        os.kill(monitor, signal.SIGSTOP)
        try:
            for line in lines:
                if line.startswith("rmdir"):  # a call that minidock makes once all processes have ended
                    eventually(lambda: "populated 0" in (cgroup / "cgroup.events").read_text())
                # The kernel may be faster: the cable goes with the container's namespace.
                is_link = line.startswith("ip link delete ")
                typed(f"{line} || ! ip link show {line.split()[-1]}" if is_link else line)
        finally:
            os.kill(monitor, signal.SIGCONT)
        assert (rules(), cgroup.exists()) == (without, False)
        assert engine("wait", "box").stdout == b"137\n"
    finally:
        engine("rm", "-f", "box")


def test_files_by_hand(engine: Minidock, tmp_path: Path) -> None:
    """Directories, links and empty files that `create` and `volume create` make, and what `rm` does first with them."""

    def tree(*places: Path) -> list[str]:
        find = ["find", *places, "-not", "-name", "*.json", "-printf", "%P %y %m %U:%G %l\\n"]
        return sorted(subprocess.check_output(find, text=True).splitlines())

    def renamed(lines: list[str]) -> list[Path]:
        """The places that directories have come to, of what is renamed where it lies."""
        moves = [shlex.split(line)[1:] for line in lines if line.startswith("mv ")]
        return [Path(new) for old, new in moves if Path(old).parent == Path(new).parent]

    volumes, rm = engine.root / "volumes", ("volume", "rm", "by-hand")
    made = shells(told(engine, tmp_path / "told", "volume", "create", "by-hand", at=2))
    before = tree(volumes)
    gone = shells(told(engine, tmp_path / "told", *rm, at=2))
    without = tree(volumes)
    typed(*made)
    assert (tree(volumes), len(before) - len(without)) == (before, 2)
    typed(*gone)
    (place,) = renamed(gone)
    assert "_data d 755 0:0 " in tree(place)
    assert engine("volume", "rm", engine("volume", "create").stdout.decode().strip()).returncode == 0
    assert tree(volumes) == without, "the next command removes what somebody began to remove"

    made = shells(told(engine, tmp_path / "told", "create", "--name", "files", "--network", "none", "alpine"))
    (directory,) = (engine.root / "containers").glob("[0-9a-f]" * 64)
    parts = [directory / part for part in ("upper", "work", "bundle", "init")]
    before = tree(*parts)
    assert len(before) > 15
    gone = shells(told(engine, tmp_path / "told", "rm", "files"))
    assert not directory.exists()
    typed(*made)
    assert tree(*parts) == before
    typed(*gone[:1])
    assert renamed(gone[:1])[0].is_dir()
    assert not directory.exists()
    shutil.rmtree(renamed(gone[:1])[0])


@pytest.mark.parametrize("running", [True, False])
def test_a_copy_by_hand(engine: Minidock, tmp_path: Path, running: bool) -> None:
    """The container's files as `cp` sees them: with its volumes, its own /etc/hosts, and what it has changed."""
    words = ("--name", "box", "-v", "copied:/data:ro", "-v", f"{tmp_path}:/mine", "alpine", "sleep", "1000")
    (tmp_path / "file").write_text("of the host\n")
    assert engine(*("run", "-d") if running else ("create",), *words).returncode == 0
    try:
        look = ["/etc/hosts", "/etc/hostname", "/etc/alpine-release", "/mine/file"]
        lines = shells(told(engine, tmp_path / "told", "cp", "box:/etc/hosts", "-"))
        into = " ".join(line.removesuffix(" ...") for line in lines if line.endswith(" ..."))
        mounts = [line for line in lines if not line.startswith("cd ") and not line.endswith(" ...")]
        pid = engine("inspect", "-f", "{{.State.Pid}}", "box").stdout.decode().strip()
        assert into == f"nsenter --target {pid} --mount unshare --mount" if running else "unshare --mount"
        root = "/" if running else next(line for line in mounts if "-t overlay" in line).split()[-1]
        if not running:
            (Path(root).parents[1] / "upper" / "data").rmdir()
            (Path(root).parents[1] / "upper" / "mine").rmdir()
        script = "; ".join(
            [*mounts, f"cd {root}", f"cat {' '.join(path[1:] for path in look)}", "! touch data/new 2>&1"]
        )
        *copied, why = typed(f"{into} sh -ec {shlex.quote(script)}").splitlines()
        expected = b"".join(engine("cp", f"box:{path}", "-").stdout for path in look)
        assert "Read-only file system" in why
        with tarfile.open(fileobj=io.BytesIO(expected), ignore_zeros=True) as tar:
            contents = [file.read().decode() for member in tar if (file := tar.extractfile(member))]
        assert "".join(contents).splitlines() == copied
    finally:
        engine("rm", "-f", "-v", "box")
        engine("volume", "rm", "copied")


@pytest.mark.cgroup
def test_limits_by_hand(engine_without_network: Minidock, tmp_path: Path) -> None:
    engine = engine_without_network
    words = ("run", "-d", "--name", "box", "--network", "none", "-m", "64m", "alpine", "sleep", "1000")
    assert engine(*words).returncode == 0
    try:
        lines = shells(
            told(engine, tmp_path / "told", "update", "-m", "32m", "--memory-swap", "48m", "--cpus", "0.5", "box")
        )
        files = [Path(line.split(" > ")[1]) for line in lines]
        assert {file.name for file in files} >= {"memory.max", "memory.swap.max", "cpu.max"}
        limited = [file.read_text() for file in files]
        assert engine("update", "-m", "64m", "--memory-swap", "128m", "--cpus", "1", "box").returncode == 0
        assert limited != [file.read_text() for file in files]
        typed(*lines)
        assert limited == [file.read_text() for file in files]
    finally:
        engine("rm", "-f", "box")


def test_a_cable_by_hand(engine: Minidock, tmp_path: Path, box: int, request: pytest.FixtureRequest) -> None:
    """With the rules of the packet filter on both sides, and what the container is told of its neighbours."""
    request.addfinalizer(lambda: engine("network", "rm", "by-hand"))
    request.addfinalizer(lambda: engine("network", "disconnect", "by-hand", "box"))
    created = shells(told(engine, tmp_path / "told", "network", "create", "by-hand", at=2))
    bridge = created[0].split()[3]
    made = link(bridge)
    removed = shells(told(engine, tmp_path / "told", "network", "rm", "by-hand", at=2))
    typed(*created)
    assert link(bridge) == made
    typed(*removed)
    assert link(bridge) == []
    assert engine("network", "create", "by-hand").returncode == 0
    plain = inside(box)
    lines = shells(told(engine, tmp_path / "told", "network", "connect", "by-hand", "box", at=2))
    assert len(lines) >= 8
    made = inside(box)
    assert len(made.interfaces) == 3, "lo, eth0 and the new one"
    unmade = shells(told(engine, tmp_path / "told", "network", "disconnect", "by-hand", "box", at=2))
    assert inside(box).interfaces == plain.interfaces
    typed(f"nsenter --target {box} --net nft flush ruleset; nsenter --target {box} --net ip link set lo down")
    typed(*lines)
    assert inside(box) == made
    typed(*unmade)
    assert inside(box).interfaces == plain.interfaces


class Inside(NamedTuple):
    """What a container has of networks: interfaces, rules, hosts and name servers; and the rules outside."""

    interfaces: dict[str, list[str]]
    rules: str
    hosts: str
    outside: str


def rules(*prefix: str) -> str:
    """The packet filter's, but for what it has counted."""
    return subprocess.check_output([*prefix, "nft", "--stateless", "list", "ruleset"], text=True)


def link(name: str) -> list[dict[str, Any]]:
    """An interface with its addresses, without its number."""
    done = subprocess.run(["ip", "-j", "-d", "address", "show", name], capture_output=True, text=True, check=False)
    found = json.loads(done.stdout or "[]")
    for row in found:
        del row["ifindex"]
        row["linkinfo"] = row["linkinfo"]["info_data"]["forward_delay"]
    return found


def inside(pid: int) -> Inside:
    enter = ["nsenter", "-t", str(pid), "-n"]
    shown = json.loads(subprocess.check_output([*enter, "ip", "-j", "address"], text=True))
    interfaces = {
        row["ifname"]: [
            row["operstate"],
            *sorted(f"{a['local']}/{a['prefixlen']}" for a in row["addr_info"] if a["scope"] == "global"),
        ]
        for row in shown
    }
    hosts = "".join(Path(f"/proc/{pid}/root/etc/{name}").read_text() for name in ("hosts", "resolv.conf"))
    return Inside(interfaces, rules(*enter), hosts, rules())
