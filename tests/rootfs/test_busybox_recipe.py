"""The busybox recipe, run for real: what is in the tarball, and what is refused."""

import gzip
import hashlib
import json
import shutil
import struct
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.rootfs.recipes import ROOTFS, built, digest, members, refused, run


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("busybox") / "busybox.tar.gz"
    built(run("busybox", output))
    return output


def test_every_applet_is_one_and_the_same_host_busybox(image: Path) -> None:
    applets = subprocess.run(["/bin/busybox", "--list"], capture_output=True, text=True, check=True).stdout.split()
    found = {name: member for name, member in members(image).items() if name.startswith("bin/")}
    assert set(found) == {f"bin/{name}" for name in {*applets, "busybox"}}
    programs = [member for member in found.values() if member.isreg()]
    assert len(programs) == 1
    assert {m.linkname for m in found.values() if m.islnk()} == {programs[0].name}
    with tarfile.open(image) as tar:
        content = tar.extractfile(programs[0].name)
        assert content is not None
        assert hashlib.sha256(content.read()).hexdigest() == digest(Path("/bin/busybox"))


def test_nothing_else_gets_in_and_owners_and_modes_are_the_official_ones(image: Path) -> None:
    rest = {name: (oct(m.mode), m.uid, m.gid) for name, m in members(image).items() if not name.startswith("bin/")}
    plain = ("0o755", 0, 0)
    assert rest == {
        **dict.fromkeys(("bin", "dev", "etc", "lib", "usr", "usr/bin", "usr/sbin", "var", "var/spool"), plain),
        "etc/group": ("0o644", 0, 0),
        "etc/nsswitch.conf": ("0o644", 0, 0),
        "etc/passwd": ("0o644", 0, 0),
        "etc/shadow": ("0o600", 0, 0),
        "home": ("0o755", 65534, 65534),
        "root": ("0o700", 0, 0),
        "tmp": ("0o1777", 0, 0),
        "usr/bin/env": ("0o777", 0, 0),
        "var/spool/mail": ("0o755", 8, 8),
        "var/www": ("0o755", 33, 33),
    }
    assert not any(m.isdev() for m in members(image).values())


def test_it_works_as_a_root(image: Path, tmp_path: Path) -> None:
    with tarfile.open(image) as tar:
        tar.extraction_filter = lambda member, _: member  # ours is to be trusted; unknown to the first Pythons 3.11
        tar.extractall(tmp_path, numeric_owner=True)
    script = "cut -d: -f1 /etc/passwd | xargs; id -u nobody; /usr/bin/env echo fine"
    done = subprocess.run(["chroot", tmp_path, "/bin/sh", "-c", script], capture_output=True, text=True, check=True)
    users = "root daemon bin sys sync mail www-data operator nobody"
    assert done.stdout.splitlines() == [users, "65534", "fine"]


def test_two_builds_are_byte_identical_from_anywhere(image: Path, tmp_path: Path) -> None:
    installed = tmp_path / "share/minidock/rootfs"
    shutil.copytree(ROOTFS, installed, ignore=shutil.ignore_patterns("__pycache__"))
    before = sorted(installed.rglob("*"))
    again = tmp_path / "again.tar.gz"
    program = [sys.executable, str(installed / "busybox/build.py"), "--output", str(again)]
    subprocess.run(program, cwd="/", umask=0o077, check=True, capture_output=True)
    assert again.read_bytes() == image.read_bytes()
    assert sorted(installed.rglob("*")) == before
    # RFC 1952: no file name (FLG bit 3) and no time (MTIME) in the gzip header.
    assert image.read_bytes()[3:8] == bytes(5)
    assert gzip.decompress(image.read_bytes())


def test_a_busybox_that_needs_a_loader_is_refused(tmp_path: Path) -> None:
    output = tmp_path / "out" / "busybox.tar.gz"
    output.parent.mkdir()
    done = run("busybox", output, "--busybox", "/bin/ls")
    assert refused(done, output) == "busybox: /bin/ls is not static, as it must be (Debian: apt install busybox-static)"
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"#!/bin/sh\n",
        b"\x7fELF\x02\x01" + bytes(10),
        b"\x7fELF\x02\x01" + struct.pack("<26xQ14xHH", 64, 56, 9),
    ],
    ids=["empty", "script", "no header", "no program headers"],
)
def test_what_is_no_program_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "busybox").write_bytes(content)
    output = tmp_path / "out" / "busybox.tar.gz"
    output.parent.mkdir()
    done = run("busybox", output, "--busybox", tmp_path / "busybox")
    assert refused(done, output).startswith("busybox: busybox is ")


def test_a_missing_output_directory_is_one_line(tmp_path: Path) -> None:
    done = run("busybox", tmp_path / "nowhere" / "busybox.tar.gz")
    assert done.returncode == 1
    assert "no directory" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_the_config_is_the_official_one() -> None:
    config = json.loads((ROOTFS / "busybox/image.json").read_text())
    assert config.pop("description")
    assert config == {
        "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
        "Cmd": ["sh"],
    }
