"""--userns: root inside is nobody outside, and whatever is done with the container's files is right inside it.

/etc/subuid and /etc/subgid are files of the test's, bound over the machine's in the tests' own mount namespace.
"""

from __future__ import annotations

import io
import json
import os
import struct
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from minidock.linux import idmapped, syscalls
from minidock.linux.id_maps import exchanged
from tests.support.command import Minidock

FIRST, POOL, SIZE = 300_000, 2_000_000, 65536
NEEDED = 65534  # ids, in Alpine, whose last group has the number 65533
Ok = Callable[..., str]

pytestmark = pytest.mark.usefixtures("no_containers_afterwards")


@pytest.fixture
def subordinate(tmp_path: Path) -> Iterator[Path]:
    """The file that gives ids to dockremap, and to containers as many as two of them need."""
    file = tmp_path / "subids"
    file.write_text(f"dockremap:{FIRST}:{SIZE}\ncontainers:{POOL}:{2 * SIZE}\n")
    places = [Path("/etc/subuid"), Path("/etc/subgid")]
    for place in places:
        syscalls.mount(str(file), str(place), None, syscalls.MS_BIND)
    yield file
    for place in places:
        syscalls.umount2(str(place))


@pytest.fixture
def remapped(ok: Ok, subordinate: Path, tmp_path: Path) -> Iterator[str]:
    """A container with users of its own that has changed files, and runs on; its volume is called `kept`."""
    script = """echo v >/vol/f; touch /new; chown 5:6 /new; chmod 4755 /new; rm -r /opt; echo x >/etc/motd
        echo told >/dev/stdout; exec sleep 1000"""
    ok("run", "-d", "--name", "mapped", "--network", "none", "--userns", "remap", "-v", "kept:/vol",
       "-v", f"{tmp_path}:/bind", "alpine", "sh", "-c", script)  # fmt: skip
    ok("exec", "mapped", "sh", "-c", "until grep -q x /etc/motd; do sleep 0.01; done")
    yield "mapped"
    ok("rm", "-f", "mapped")
    ok("volume", "rm", "kept")


@pytest.fixture
def idmapped_mounts(tmp_path: Path) -> None:
    """The kernel can map the ids of the file system that the tests are on; else nothing but copies is to be had."""
    rows = [(0, FIRST, SIZE)]
    if not idmapped.can_map(str(tmp_path), rows, rows):
        pytest.skip("no idmapped mounts on this file system")


def inspected(minidock: Minidock, name: str) -> dict[str, object]:
    content: dict[str, object] = json.loads(minidock("inspect", name).stdout)[0]
    return content


def directory_of(minidock: Minidock, name: str) -> Path:
    return Path(minidock.root, "containers", str(inspected(minidock, name)["Id"]))


def pid_of(minidock: Minidock, name: str) -> int:
    return int(inspected(minidock, name)["State"]["Pid"])  # type: ignore[index]


def test_root_inside_is_nobody_outside(engine: Minidock, ok: Ok, remapped: str, tmp_path: Path) -> None:
    pid = pid_of(engine, remapped)
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    assert status["Uid"].split() == status["Gid"].split() == 4 * [str(FIRST)]
    assert Path(f"/proc/{pid}/uid_map").read_text().split() == ["0", str(FIRST), str(SIZE)]
    assert os.readlink(f"/proc/{pid}/ns/user") != os.readlink("/proc/self/ns/user")
    changed = os.stat(f"/proc/{pid}/root/new")
    assert (changed.st_uid, changed.st_gid) == (FIRST + 5, FIRST + 6)
    upper = directory_of(engine, remapped) / "upper"
    assert upper.stat().st_uid == (upper / "etc/motd").stat().st_uid == FIRST
    # A file of the host's root that is bound in can be neither written nor given away.
    (tmp_path / "root").write_text("host")
    refused = engine("exec", remapped, "sh", "-c", "echo >>/bind/root || chown 0 /bind/root || touch /bind/new")
    assert (refused.returncode, (tmp_path / "root").read_text()) == (1, "host")
    assert inspected(engine, remapped)["HostConfig"]["UsernsMode"] == "remap"  # type: ignore[index]


@pytest.mark.usefixtures("idmapped_mounts")
def test_nothing_of_the_image_is_copied_or_chowned(engine: Minidock, ok: Ok, remapped: str) -> None:
    layers = [Path(path) for path in json.loads(ok("image", "inspect", "alpine"))[0]["RootFS"]["Layers"]]
    assert layers
    container = directory_of(engine, remapped)
    assert not (container / "mapped").exists()
    spec = json.loads((container / "bundle/config.json").read_text())
    lower = spec["mounts"][0]["options"][0].removeprefix("lowerdir=").split(":")
    assert "idmap" in spec["mounts"][0]["options"]
    assert all(os.stat(path).st_uid == 0 for path in lower)
    assert ok("exec", remapped, "stat", "-c", "%u:%g", "/bin/busybox", "/etc/shadow") == "0:0\n0:42\n"


@pytest.mark.usefixtures("idmapped_mounts")
def test_files_are_the_containers_own_whatever_reads_them(engine: Minidock, ok: Ok, remapped: str) -> None:
    assert ok("logs", remapped) == "told\n"
    assert ok("diff", remapped).split("\n") == ["A /bind", "C /etc", "C /etc/motd", "A /new", "D /opt", "A /vol", ""]
    assert Path(engine.root, "volumes/kept/_data/f").stat().st_uid == 0

    def owners(raw: bytes) -> dict[str, tuple[int, int, int]]:
        with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
            return {entry.name: (entry.uid, entry.gid, entry.mode) for entry in archive}

    for state in ("running", "stopped"):
        if state == "stopped":
            ok("stop", "-t", "0", remapped)
        assert owners(engine("cp", f"{remapped}:/new", "-").stdout) == {"new": (5, 6, 0o4755)}
        assert owners(engine("cp", f"{remapped}:/vol/f", "-").stdout) == {"f": (0, 0, 0o644)}
        exported = owners(engine("export", remapped).stdout)
        assert exported["new"] == (5, 6, 0o4755)
        assert exported["bin/busybox"][:2] == exported["etc/motd"][:2] == (0, 0)
        assert engine("cp", "-", f"{remapped}:/root", input=_archive(f"at-{state}", 7, 8)).returncode == 0
    ok("start", remapped)
    assert ok("exec", remapped, "stat", "-c", "%u:%g", "/root/at-running", "/root/at-stopped") == "7:8\n7:8\n"


def _archive(name: str, uid: int, gid: int) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.uid, entry.gid = uid, gid
        archive.addfile(entry)
    return raw.getvalue()


def test_a_commit_is_an_image_for_everybody(engine: Minidock, ok: Ok, remapped: str) -> None:
    pid = pid_of(engine, remapped)
    # As setcap(8) inside has it written: version 3, for the root of this user namespace only.
    capability = struct.pack("<6I", 0x03000001, 1 << 13, 0, 0, 0, FIRST)
    os.setxattr(f"/proc/{pid}/root/new", "security.capability", capability)
    ok("commit", remapped, "committed")
    try:
        look = ["stat", "-c", "%u:%g", "/new", "/etc/motd", "/bin/busybox"]
        for flags in ([], ["--userns", "remap"], ["--userns", "auto"]):
            assert ok("run", "--rm", "--network", "none", *flags, "committed", *look) == "5:6\n0:0\n0:0\n"
        layer = json.loads(ok("image", "inspect", "committed"))[0]["RootFS"]["Layers"][-1]
        (place,) = Path(engine.root, "layers").glob(f"**/{layer.removeprefix('sha256:')}*/new")
        assert os.getxattr(place, "security.capability")[:4] == b"\x01\0\0\x02", "version 2, for whoever is root"
    finally:
        ok("rmi", "committed")


def test_each_of_auto_has_ids_of_its_own_until_there_are_no_more(engine: Minidock, ok: Ok, subordinate: Path) -> None:
    base = ("run", "-d", "--network", "none", "--userns", "auto")
    found = []
    for name in ("one", "two"):
        ok(*base, "--name", name, "alpine", "sleep", "1000")
        found.append(int(Path(f"/proc/{pid_of(engine, name)}/uid_map").read_text().split()[1]))
    assert found == [POOL, POOL + NEEDED]
    none_left = engine(*base, "alpine", "true")
    assert (none_left.returncode, none_left.stdout) == (125, b"")
    assert b"/etc/subuid has no %d ids left for 'containers'" % NEEDED in none_left.stderr
    ok("rm", "-f", "one")
    script = "cut -c1-40 /proc/self/uid_map"
    again = ok("run", "--rm", "--network", "none", "--userns", "auto:size=1000", "alpine", "sh", "-c", script)
    assert again.split() == ["0", str(POOL), "1000"]
    ok("rm", "-f", "two")


def test_a_default_for_all_and_a_build_in_it(engine: Minidock, ok: Ok, subordinate: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[containers]\nuserns = "remap"\n')
    (tmp_path / "Dockerfile").write_text(
        "FROM alpine\nRUN touch /made && chown 5:6 /made && cut -c1-30 /proc/self/uid_map > /map\n"
        "RUN --mount=type=cache,target=/cache touch /cache/x && stat -c %u /cache/x > /cached\n"
    )
    env = {"MINIDOCK_CONFIG": str(config)}
    done = engine("build", "-q", "--network", "none", "-t", "built", str(tmp_path), env=env)
    assert done.returncode == 0, done.stderr
    look = ["sh", "-c", "stat -c %u:%g /made; cat /map /cached; cut -c1-30 /proc/self/uid_map"]
    for flags, own in ([], FIRST), (["--userns", "host"], 0):
        done = engine("run", "--rm", "--network", "none", *flags, "built", *look, env=env)
        words = done.stdout.split()
        assert (words[0], words[2], words[4], words[6]) == (b"5:6", b"%d" % FIRST, b"0", b"%d" % own), done
    ok("rmi", "built")


REFUSED = {
    ("--userns", "remap", "--privileged"): b"privileged mode is incompatible with user namespaces",
    ("--userns", "remap", "--network", "host"): b"cannot share the host's network namespace when user namespaces",
    ("--userns", "remap", "--pid", "host"): b"cannot share the host PID namespace when user namespaces are enabled",
    ("--userns", "remap", "--ipc", "host"): b"cannot share the host IPC namespace when user namespaces are enabled",
    ("--userns", "keep-id"): b"keep-id is only supported in rootless mode",
    ("--userns", "mine"): b"--userns: invalid USER mode",
    ("-v", "name:/x:idmap"): b"idmap is for a directory of the host's",
}


@pytest.mark.parametrize("words", REFUSED, ids=" ".join)
def test_what_does_not_go_together(engine: Minidock, subordinate: Path, words: tuple[str, ...]) -> None:
    done = engine("run", "--rm", *words, "alpine", "true")
    assert (done.returncode, done.stderr.count(b"\n"), done.stdout) == (125, 1, b"")
    assert REFUSED[words] in done.stderr


def test_without_ids_the_line_to_write_is_told(engine: Minidock, subordinate: Path) -> None:
    subordinate.write_text("somebody:200000:65536\n")
    done = engine("run", "--rm", "--userns", "remap", "alpine", "true")
    assert done.returncode == 125
    assert b"echo dockremap:265536:65536 >> /etc/subuid" in done.stderr


def test_where_the_kernel_cannot_map_ids_the_layers_are_copied(
    engine: Minidock, ok: Ok, subordinate: Path, tmp_path: Path
) -> None:
    syscalls.mount("none", str(tmp_path), "ramfs")  # which has no idmapped mounts
    try:
        other = Minidock(root=tmp_path / "root", run=engine.run)
        assert other("load", input=engine("save", "alpine").stdout).returncode == 0
        look = "stat -c %u:%g / /bin/busybox /etc/shadow /vol; touch /etc/motd"
        done = other("run", "--rm", "--network", "none", "--userns", "remap", "-v", "/vol", "alpine", "sh", "-c", look)
        assert done.stdout == b"0:0\n0:0\n0:42\n0:0\n"
        assert b"were copied for this container" in done.stderr
        assert other("ps", "-aq").stdout == b""
    finally:
        syscalls.umount2(str(tmp_path))


@pytest.mark.usefixtures("idmapped_mounts")
@pytest.mark.parametrize("flags", [[], ["-u", "7:8"], ["--userns", "remap"], ["--userns", "remap", "-u", "7:8"]])
def test_a_bind_whose_files_belong_to_the_caller(ok: Ok, subordinate: Path, tmp_path: Path, flags: list[str]) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    os.chown(shared, 1234, 1235)
    user = "7:8" if "-u" in flags else "0:0"
    script = "touch /x/made; stat -c %u:%g /x /x/made"
    for mount in ("-v", f"{shared}:/x:idmap"), ("--mount", f"type=bind,source={shared},target=/x,idmap"):
        seen = ok("run", "--rm", "--network", "none", *flags, *mount, "alpine", "sh", "-c", script)
        assert seen == f"{user}\n{user}\n"
        made = (shared / "made").stat()
        assert (made.st_uid, made.st_gid) == (1234, 1235)
        (shared / "made").unlink()


def test_a_device_under_another_name(ok: Ok, subordinate: Path) -> None:
    script = "head -c1 /dev/nought | wc -c"
    flags = ("--userns", "remap", "--device", "/dev/zero:/dev/nought")
    assert ok("run", "--rm", "--network", "none", *flags, "alpine", "sh", "-c", script) == "1\n"


def test_a_map_in_which_two_have_changed_places() -> None:
    assert exchanged([(0, 0, 100)], 50, 50) == [(0, 0, 100)]
    assert exchanged([(0, 0, 100)], 50, 0) == [(0, 50, 1), (1, 1, 49), (50, 0, 1), (51, 51, 49)]
    assert exchanged([(0, 5000, 10)], 1234, 0) == [(1, 5001, 9), (1234, 5000, 1)]
