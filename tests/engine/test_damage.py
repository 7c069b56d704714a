"""Files of the state that are cut, garbled or replaced: the file's name, the way out, and nobody is harmed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from minidock.network import network_store
from minidock.network.firewall import filter_state
from tests.engine.containers import Containers, eventually
from tests.support.command import Minidock
from tests.support.machine import kept_links, remove_default_network

Damage = Callable[[Path, bytes], None]


def _write(content: Callable[[bytes], bytes]) -> Damage:
    return lambda path, old: path.write_bytes(content(old)) and None  # type: ignore[func-returns-value]


def _without_keys(old: bytes) -> bytes:
    return b'{"schemaVersion": 1}\n'


def _newer(old: bytes) -> bytes:
    try:
        return json.dumps({**json.loads(old), "schemaVersion": 999}).encode()
    except (ValueError, TypeError):
        return b'{"schemaVersion": 999}\n'


def _directory(path: Path, _: bytes) -> None:
    path.unlink()
    path.mkdir()


WAYS: dict[str, Damage] = {
    "empty": _write(lambda old: b""),
    "half": _write(lambda old: old[: len(old) // 2]),
    "another type": _write(lambda old: b"[7]\n"),
    "newer": _write(_newer),
    "garbage": _write(lambda old: bytes(range(128, 256)) * 4),
    "nothing but NUL": _write(lambda old: b"\0" * len(old)),
    "keys missing": _write(_without_keys),
    "a directory": _directory,
}


@dataclass
class Place:
    """A root with everything in it: an image, a volume `vol`, a network `net`, and a container `up` on both."""

    minidock: Minidock
    id: str
    pid: int

    def one(self, pattern: str) -> Path:
        """The only file of that pattern below the root."""
        found = sorted(self.minidock.root.glob(pattern))
        assert len(found) == 1, (pattern, found)
        return found[0]

    def record(self) -> dict[str, Any]:
        text = (self.minidock.root / "containers" / self.id / "container.json").read_text()
        content: dict[str, Any] = json.loads(text)
        return content

    def network(self, name: str) -> Path:
        """A network's file."""
        files = self.minidock.root.glob("networks/" + "?" * 64 + ".json")
        return next(path for path in files if json.loads(path.read_text())["name"] == name)

    def leases(self, network: str) -> Path:
        """The file of a network's leases."""
        return self.network(network).with_suffix(".leases.json")

    def blob(self, of: str) -> Path:
        """The blob of the image's `manifest` or `config`."""
        index = json.loads((self.minidock.root / "images" / "index.json").read_text())
        blobs = self.minidock.root / "images" / "blobs" / "sha256"
        manifest: Path = blobs / index["manifests"][0]["digest"].removeprefix("sha256:")
        digest = json.loads(manifest.read_text())["config"]["digest"].removeprefix("sha256:")
        return manifest if of == "manifest" else blobs / digest


@pytest.fixture(scope="module")
def root(engine: Minidock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Minidock]:
    """A root of its own, with the image alpine and nothing else."""
    directory = tmp_path_factory.mktemp("damage")
    other = replace(engine, root=directory / "root")
    archive = directory / "alpine.tar"
    kept_links.add(network_store.default_interface(str(other.root)))
    assert engine("save", "-o", str(archive), "alpine:latest").returncode == 0
    assert other("load", "-i", str(archive)).returncode == 0
    yield other
    remove_default_network(str(other.root))


@pytest.fixture
def place(root: Minidock) -> Iterator[Place]:
    for words in (("load", "-i", str(root.root.parent / "alpine.tar")), ("network", "create", "net"),
                  ("volume", "create", "vol"),
                  ("run", "-d", "--name", "up", "--network", "net", "-v", "vol:/data", "alpine",
                   "sh", "-c", "echo said; exec sleep 1000")):  # fmt: skip
        done = root(*words)
        assert done.returncode == 0, done
    record = eventually(Containers(root).running)[0]
    yield Place(root, record["id"], record["state"]["pid"])
    root("rm", "-f", *root("ps", "-aq", "--no-trunc").stdout.decode().split())
    root("network", "rm", "net")
    root("volume", "prune", "-af")
    root("image", "prune", "-af")


# A kind of file: where it is, and what reads it. "!": that must go well, whatever is in it.
KINDS: dict[str, tuple[Callable[[Place], Path], list[str]]] = {
    "record": (lambda p: p.one("containers/*/container.json"), ["!ps -a", "!run --rm alpine true", "stop up", "rm up"]),
    "bundle": (lambda p: p.one("containers/*/bundle/config.json"), ["!inspect up", "commit up copy"]),
    "lock of a container": (lambda p: p.one("containers/*/lock"), ["!ps -a", "rm up"]),
    "lock of all containers": (lambda p: p.one("containers/.lock"), ["ps -a"]),
    "log": (lambda p: p.one("containers/*/*-json.log"), ["!ps -a", "logs --tail 1 -t up"]),
    "network": (lambda p: p.network("net"), ["!network ls", "!run --rm alpine true", "network inspect net",
                                             "run --rm --network net alpine true"]),
    "the default network": (lambda p: p.network("bridge"), ["!ps -a", "network ls", "run --rm alpine true"]),
    "leases": (lambda p: p.leases("net"), ["!run --rm alpine true", "network rm net",
                                           "run --rm --network net alpine true"]),
    "lock of networks": (lambda p: p.one("networks/lock"), ["!ps -a", "run --rm alpine true"]),
    "volume": (lambda p: p.one("volumes/*/volume.json"), ["!volume ls", "volume inspect vol", "volume prune -af",
                                                          "run --rm -v vol:/x alpine true"]),
    "lock of volumes": (lambda p: p.one("volumes/.lock"), ["!ps -a", "volume create more", "volume rm more"]),
    "index": (lambda p: p.one("images/index.json"), ["!ps -a", "images", "image prune -af"]),
    "layout": (lambda p: p.one("images/oci-layout"), ["!images", "!tag alpine more"]),
    "manifest": (lambda p: p.blob("manifest"), ["!images", "!image prune -af", "run --rm alpine true", "rmi alpine"]),
    "config": (lambda p: p.blob("config"), ["!images", "!image prune -af", "run --rm alpine true", "rmi alpine"]),
    "layer's size": (lambda p: p.one("layers/*.json"), ["!images"]),
    "lock of images": (lambda p: p.one("locks/images"), ["images"]),
    "events": (lambda p: p.one("events.log"), ["!tag alpine more", "events --since 1 --until 2"]),
    "seccomp cache": (lambda p: p.one("cache/seccomp-*"), ["!run --rm --network none alpine true"]),
    "state of the packet filter": (lambda p: Path(filter_state.path()), ["!ps -a", "run --rm alpine true"]),
    "credentials": (lambda p: p.minidock.root.parent / "config.json", ["logout registry.example.com"]),
    "configuration": (lambda p: p.minidock.root.parent / "config.toml", ["pull localhost:1/none"]),
}  # fmt: skip
# As many commands as that take their time: what others could lose is tried in all ways, the rest in these.
IN_ALL_WAYS = ("record", "leases", "volume", "index") if not os.environ.get("MINIDOCK_TEST_ROUNDS") else tuple(KINDS)
USUAL_WAYS = ("half", "keys missing", "a directory")
# What is said of something else than the damage, and rightly.
_FINE = ("active endpoints", "stop the container before removing", "conflict: unable to remove", "connection refused")


def _complaint(place: Place, words: str, name: str, environment: dict[str, str]) -> str:
    """What is wrong with the way in which a command ends that has to do with the damaged file `name`."""
    done = place.minidock(*words.removeprefix("!").split(), env=environment)
    errors = done.stderr.decode(errors="backslashreplace")
    last = (errors.strip().splitlines() or [""])[-1]
    if any(sign in errors for sign in ("defect", "Traceback", "Errno")) or (done.returncode and words[0] == "!"):
        return f"{words}: {done.returncode} {errors}"
    if done.returncode and name not in last and not any(fine in last for fine in _FINE):
        return f"{words}: the file is not named: {errors}"
    return ""


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_file_damaged_in_each_way(place: Place, tmp_path: Path, kind: str) -> None:
    beside = place.minidock.root.parent
    (beside / "config.json").write_text('{"auths": {"registry.example.com": {"auth": "YTpi"}}}')
    (beside / "config.toml").write_text("[registries]\ndownloads = 2\n")
    environment = {"DOCKER_CONFIG": str(beside), "MINIDOCK_CONFIG": str(beside / "config.toml")}
    where, commands = KINDS[kind]
    path, wrong = where(place), []
    aside = (tmp_path if path.stat().st_dev == tmp_path.stat().st_dev else path.parent) / f"{path.name}.aside"
    for way, damage in WAYS.items():
        if kind not in IN_ALL_WAYS and way not in USUAL_WAYS:
            continue
        old = path.read_bytes()
        os.link(path, aside)  # the same file afterwards: who has it open or locked does not notice
        if "lock" not in kind:
            path.unlink()
            path.touch()
        damage(path, old)
        wrong += [f"{way}: {why}" for words in commands if (why := _complaint(place, words, path.name, environment))]
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        os.rename(aside, path)
        path.write_bytes(old)
    assert not wrong, "\n".join(wrong)
    assert place.record()["state"]["pid"] == place.pid
    assert os.path.exists(f"/proc/{place.pid}")
    assert place.minidock("run", "--rm", "--network", "net", "-v", "vol:/x", "alpine", "true").returncode == 0


def _damage(path: Path, way: str) -> None:
    WAYS[way](path, path.read_bytes())


def _monitor_of(place: Place) -> int:
    return int(place.record()["state"]["monitor"])


@pytest.mark.parametrize("way", ["half", "newer", "a directory", "missing"])
@pytest.mark.parametrize("monitor", ["lives", "was killed"])
def test_a_container_whose_record_is_damaged_is_seen_and_can_be_removed(place: Place, way: str, monitor: str) -> None:
    """Looked up in the kernel afterwards: no process, no cgroup, no cable, no lease, no mount."""
    containers, minidock = Containers(place.minidock), place.minidock
    pid = _monitor_of(place)
    path = minidock.root / "containers" / place.id / "container.json"
    path.unlink() if way == "missing" else _damage(path, way)
    if monitor == "was killed":
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: not os.path.exists(f"/proc/{place.pid}"))
    shown = minidock("ps", "-a", "--format", "{{.ID}} {{.State}} {{.Status}}").stdout.decode()
    assert shown == f"{place.id[:12]} dead Dead (record damaged)\n"
    assert (minidock("ps", "-q").stdout != b"") == (monitor == "lives")
    assert minidock("rm", place.id).returncode == 1
    done = minidock("rm", "-f", place.id[:12])
    assert (done.returncode, done.stderr) == (0, b"")
    eventually(lambda: not containers.left({place.id}))
    assert minidock("volume", "rm", "vol").returncode == 0


def test_a_container_that_ends_with_a_damaged_record_has_its_end_recorded(place: Place) -> None:
    _damage(place.minidock.root / "containers" / place.id / "container.json", "garbage")
    assert b"dead" in place.minidock("ps", "-a", "--format", "{{.State}}").stdout
    os.kill(place.pid, signal.SIGKILL)
    eventually(lambda: b"exited 137" in place.minidock("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}",
                                                       "up").stdout)  # fmt: skip


def test_a_monitor_that_sleeps_wakes_though_the_record_is_damaged(place: Place) -> None:
    minidock = place.minidock
    minidock("rm", "-f", "up")
    assert minidock("run", "-d", "--name", "quiet", "--network", "none", "alpine", "sleep", "1000").returncode == 0
    record = eventually(Containers(minidock).running)[0]
    eventually(lambda: b"/idle." in Path(f"/proc/{record['state']['monitor']}/cmdline").read_bytes())
    _damage(minidock.root / "containers" / record["id"] / "container.json", "empty")
    os.kill(record["state"]["pid"], signal.SIGKILL)
    eventually(lambda: minidock("wait", "quiet").stdout == b"137\n")


def _addresses(minidock: Minidock) -> list[str]:
    """What the containers' own network namespaces have, as the kernel tells."""
    found = []
    for record in Containers(minidock).running():
        command = ["nsenter", "-n", "-t", str(record["state"]["pid"]), "ip", "-j", "-4", "addr", "show", "eth0"]
        shown = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
        found += [row["local"] for row in shown[0]["addr_info"]]
    return found


@pytest.mark.parametrize("way", ["removed", "empty", "garbage", "a directory"])
def test_no_two_containers_get_one_address_whatever_becomes_of_the_leases(place: Place, way: str) -> None:
    minidock = place.minidock
    path = place.leases("net")
    path.unlink() if way == "removed" else _damage(path, way)
    more = ("run", "-d", "--network", "net", "alpine", "sleep", "1000")
    refused = minidock(*more)
    assert refused.returncode == 125
    assert path.name.encode() in refused.stderr
    assert b"network reload" in refused.stderr
    assert minidock("network", "reload").returncode == 0
    for _ in range(2):
        done = minidock(*more)
        assert done.returncode == 0, done
    addresses = _addresses(minidock)
    assert len(addresses) == len(set(addresses)) == 3


def test_leases_are_not_made_anew_while_a_container_may_hold_an_unknown_one(place: Place) -> None:
    minidock = place.minidock
    place.leases("net").unlink()
    _damage(minidock.root / "containers" / place.id / "container.json", "half")
    done = minidock("network", "reload")
    assert done.returncode != 0
    assert b"container.json" in done.stderr
    assert minidock("run", "--rm", "--network", "net", "alpine", "true").returncode == 125
    assert minidock("rm", "-f", place.id).returncode == 0
    assert minidock("run", "--rm", "--network", "net", "alpine", "true").returncode == 0


def test_what_a_damaged_container_has_is_not_pruned(place: Place) -> None:
    minidock = place.minidock
    bundle = minidock.root / "containers" / place.id / "bundle" / "config.json"
    assert minidock("volume", "create", "free").returncode == 0
    _damage(minidock.root / "containers" / place.id / "container.json", "garbage")
    assert b"free" in minidock("volume", "prune", "-af").stdout
    assert minidock("volume", "rm", "vol").returncode == 1
    assert minidock("rmi", "alpine").returncode == 1
    minidock("image", "prune", "-af")
    bundle.unlink()
    assert minidock("volume", "rm", "vol").returncode == 1
    minidock("image", "prune", "-af")
    assert (minidock.root / "volumes" / "vol" / "_data").is_dir()
    assert [path for path in minidock.root.glob("layers/*") if path.is_dir()]


def test_containers_keep_their_layers_when_the_index_is_moved_away(place: Place) -> None:
    minidock = place.minidock
    os.rename(minidock.root / "images" / "index.json", minidock.root.parent / "aside")
    assert minidock("image", "prune", "-af").returncode == 0
    assert minidock("restart", "-t", "0", "up").returncode == 0
    assert minidock("exec", "up", "true").returncode == 0


def test_an_image_whose_manifest_is_damaged_comes_back_or_goes(place: Place, engine: Minidock, tmp_path: Path) -> None:
    minidock, manifest = place.minidock, place.blob("manifest")
    archive = str(tmp_path / "alpine.tar")
    assert engine("save", "-o", archive, "alpine:latest").returncode == 0
    manifest.write_bytes(b"garbage")
    shown = minidock("images")
    assert manifest.name.encode() in shown.stderr
    assert minidock("load", "-i", archive).returncode == 0
    assert minidock("run", "--rm", "--network", "none", "alpine", "true").returncode == 0
    manifest.write_bytes(b"")
    assert minidock("rmi", "alpine").returncode == 1
    assert minidock("rmi", "-f", "alpine").stdout == b"Untagged: alpine\n"
    assert minidock("images").stderr == b""


def test_a_lock_that_was_removed_is_noticed(place: Place) -> None:
    minidock = place.minidock
    assert minidock("create", "--name", "put", "alpine", "true").returncode == 0
    for lock in minidock.root.glob("containers/*/lock"):
        lock.unlink()
    shown = minidock("ps", "-a", "--format", "{{.Names}} {{.State}}").stdout.decode().split("\n")
    assert {"up dead", "put created"} <= set(shown)
    assert os.path.exists(f"/proc/{place.pid}")
    assert minidock("rm", "put").returncode == 0
    assert minidock("rm", "-f", "up").returncode == 0
    eventually(lambda: not os.path.exists(f"/proc/{place.pid}"))
