"""A container's upper directory becomes a layer, and that layer the same directory again."""

import io
import os
import socket
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

from minidock.errors import HostError
from minidock.image.layer_writer import TarReader, layer_tar
from minidock.image.store import Store
from minidock.image.store_writer import Ingest
from tests.image.tars import archive, directory, entry, symlink, tree, unpacked
from tests.image.test_unpack import make_tree


def content(upper: Path) -> bytes:
    return b"".join(layer_tar(str(upper)))


def names(tar: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(tar)) as opened:
        return opened.getnames()


def test_there_and_back(root: Path, tmp_path: Path) -> None:
    make_tree(tmp_path / "upper")
    before, after = tree(tmp_path / "upper"), tree(unpacked(root, content(tmp_path / "upper")))
    before.pop(b"."), after.pop(b".")
    assert before == after


def test_gnu_tar_reads_it(tmp_path: Path) -> None:
    make_tree(tmp_path / "upper")
    (tmp_path / "gnu").mkdir()
    extract = ["tar", "-C", tmp_path / "gnu", "-xp", "--numeric-owner", "--xattrs", "--xattrs-include=*"]
    done = subprocess.run(extract, input=content(tmp_path / "upper"), check=True, capture_output=True)
    assert {line for line in done.stderr.splitlines() if b"'hdrcharset'" not in line} == set()
    before, after = tree(tmp_path / "upper"), tree(tmp_path / "gnu")
    before.pop(b"."), after.pop(b".")
    assert before == after


def test_whiteouts_go_there_and_back(root: Path) -> None:
    original = archive(
        directory("a"), entry("a/.wh.gone"), directory("b"), entry("b/.wh..wh..opq"), entry("b/new"), entry(".wh.top")
    )
    upper = unpacked(root, original)
    assert names(content(upper)) == ["a", "a/.wh.gone", "b", "b/.wh..wh..opq", "b/new", ".wh.top"]
    assert tree(unpacked(root, content(upper)), times=False) == tree(upper, times=False)


def test_what_a_real_overlay_leaves(root: Path, tmp_path: Path) -> None:
    lower = unpacked(root, archive(
        directory("etc"), entry("etc/passwd", content=b"old"), entry("etc/gone"), directory("opt"), entry("opt/old"),
        directory("var"), entry("var/kept"),
    ))  # fmt: skip
    for name in ("upper", "work", "merged"):
        (tmp_path / name).mkdir()
    script = f"""cd {tmp_path}/merged
        mount -t overlay -o redirect_dir=off,lowerdir={lower},upperdir=../upper,workdir=../work overlay .
        cd .; cd {tmp_path}/merged
        echo new >etc/passwd; rm etc/gone; rm -r opt; mkdir opt; touch opt/new; mv var moved; mkdir fresh"""
    subprocess.run(["unshare", "-m", "sh", "-ec", script], check=True)
    assert names(content(tmp_path / "upper")) == [
        "etc", "etc/.wh.gone", "etc/passwd", "fresh", "moved", "moved/kept", "opt", "opt/.wh..wh..opq", "opt/new",
        ".wh.var",
    ]  # fmt: skip


def test_the_same_tree_gives_the_same_bytes(tmp_path: Path) -> None:
    """Made in another order, by another umask, elsewhere."""
    for place, order in (("one", range(50)), ("two", range(49, -1, -1))):
        for number in order:
            path = tmp_path / place / f"d{number % 5}" / f"f{number}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(str(number))
        os.link(tmp_path / place / "d0/f0", tmp_path / place / "d1/link")
        for path in (tmp_path / place).rglob("*"):
            os.utime(path, (1_700_000_000, 1_700_000_000))
    assert content(tmp_path / "one") == content(tmp_path / "two")
    assert os.uname().nodename.encode() not in content(tmp_path / "one")


def test_what_stays_out(tmp_path: Path) -> None:
    upper = tmp_path / "u"
    upper.mkdir()
    (upper / "f").touch()
    os.setxattr(upper / "f", "trusted.overlay.origin", b"x")
    os.setxattr(upper / "f", "trusted.mine", b"x")
    os.setxattr(upper / "f", "user.mine", b"x")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"/proc/self/fd/{(fd := os.open(upper, os.O_PATH))}/socket")  # a short path: unix(7)
        os.close(fd)
    with tarfile.open(fileobj=io.BytesIO(content(upper))) as opened:
        (only,) = opened.getmembers()
    assert (only.name, [key for key in only.pax_headers if "xattr" in key]) == ("f", ["SCHILY.xattr.user.mine"])


@pytest.mark.parametrize("attribute", ["trusted.overlay.redirect", "trusted.overlay.metacopy"])
def test_what_is_not_all_here_is_refused(tmp_path: Path, attribute: str) -> None:
    (tmp_path / "u" / "d").mkdir(parents=True)
    os.setxattr(tmp_path / "u" / "d", attribute, b"x")
    with pytest.raises(HostError, match="not all in this directory"):
        content(tmp_path / "u")


@pytest.mark.parametrize("nanoseconds", [0, 1, 1_500_000_000, -1, -1_500_000_000, -2_000_000_000, 10**18 + 120])
def test_times(root: Path, tmp_path: Path, nanoseconds: int) -> None:
    (tmp_path / "u").mkdir()
    (tmp_path / "u/f").touch()
    os.utime(tmp_path / "u/f", ns=(nanoseconds, nanoseconds))
    assert (unpacked(root, content(tmp_path / "u")) / "f").stat().st_mtime_ns == nanoseconds


def test_links_lead_nowhere_else(root: Path) -> None:
    """A container could swap a directory for a link while it is read: the walk stays inside."""
    upper = unpacked(root, archive(symlink("up", "/etc"), directory("etc"), entry("etc/mine")))
    assert names(content(upper)) == ["etc", "etc/mine", "up"]


def test_into_the_store(root: Path, tmp_path: Path, store: Store) -> None:
    (tmp_path / "upper").mkdir()
    (tmp_path / "upper/f").write_bytes(os.urandom(700_000))
    os.mknod(tmp_path / "upper/gone", stat.S_IFCHR, 0)
    with Ingest(store) as ingest:
        diff_id, digest, size = ingest.put_layer(TarReader(str(tmp_path / "upper")))
        assert ingest.has_blob(digest)
        assert size > 700_000
        assert os.lstat(root / "layers" / diff_id[7:] / "gone").st_rdev == 0


def test_read_in_any_sizes_it_is_the_same_archive(tmp_path: Path) -> None:
    for name, size in (("empty", 0), ("block", 512), ("odd", 700)):
        (tmp_path / name).write_bytes(b"x" * size)
    whole = b"".join(layer_tar(str(tmp_path)))
    for size in (1, 511, 512, 1024, 1 << 20):
        reader = TarReader(str(tmp_path))
        assert b"".join(iter(lambda: reader.read(size), b"")) == whole  # noqa: B023 - used at once


def test_only_what_is_wanted_is_in_it(tmp_path: Path) -> None:
    for name in ("a/b", "c"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "f").touch()
    with tarfile.open(fileobj=io.BytesIO(b"".join(layer_tar(str(tmp_path), {"/a", "/a/b"})))) as tar:
        assert tar.getnames() == ["a", "a/b"]
