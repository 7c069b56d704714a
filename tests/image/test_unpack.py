"""Layers unpack to what GNU tar makes of them, and whiteouts to what overlayfs understands."""

import io
import os
import stat
import struct
import subprocess
import tarfile
from pathlib import Path

import pytest

from minidock.image.compression import CorruptArchive
from minidock.image.digest import DigestMismatch, of_bytes
from minidock.image.unpack_layers import layer_size, unpack
from tests.image.tars import archive, directory, entry, hard_link, symlink, tree, unpacked

# struct vfs_cap_data of <linux/capability.h>: revision 2, effective, permitted CAP_NET_BIND_SERVICE.
CAPABILITY = struct.pack("<5I", 0x02000001, 1 << 10, 0, 0, 0)


def make_tree(top: Path) -> None:
    """One of everything that a root file system can hold."""
    top.mkdir(mode=0o751)
    (top / "bin").mkdir()
    (top / "bin/tool").write_bytes(os.urandom(300_000))
    os.chown(top / "bin/tool", 12, 34)
    (top / "bin/tool").chmod(0o6755)
    os.setxattr(top / "bin/tool", "security.capability", CAPABILITY)
    os.link(top / "bin/tool", top / "bin/alias")
    os.setxattr(top / "bin", "user.note", b"\x00\xff\nbinary=yes")
    (top / "empty").touch()
    (top / "empty").chmod(0)
    os.symlink("../../etc/passwd", top / "link")
    os.symlink("/", top / "root-link")
    os.lchown(top / "link", 5, 6)
    os.mkfifo(top / "fifo", 0o622)
    os.mknod(top / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.mknod(top / "disk", stat.S_IFBLK | 0o660, os.makedev(8, 1))
    deep = top / "a" / ("long" * 40) / ("name" * 40) / ("x" * 200)
    deep.mkdir(parents=True)
    (deep / "file").write_text("deep")
    with open(os.fsencode(top) + b"/latin1-\xe9\xff", "wb") as file:
        file.write(b"not UTF-8")
    (top / "sticky").mkdir()
    (top / "sticky").chmod(0o1777)
    (top / "setgid").mkdir()
    os.chown(top / "setgid", 0, 50)
    (top / "setgid").chmod(0o2775)
    (top / "setgid/inside").write_text("root's group, all the same")
    os.chown(top / "setgid/inside", 0, 0)
    os.chown(top / "empty", 3_000_000_000, 4_000_000_000)
    with (top / "sparse").open("wb") as file:
        for position in (0, 1 << 20, 50 << 20):
            file.seek(position)
            file.write(b"data" * 1024)
        file.truncate(60 << 20)
    for number, path in enumerate(sorted(top.rglob("*"))):
        os.utime(path, ns=(0, 1_600_000_000_123_456_789 + number), follow_symlinks=False)
    os.utime(top, ns=(0, 1_500_000_000_987_654_321))


@pytest.mark.parametrize(
    "options",
    [
        "--format=pax --sparse --xattrs",
        "--format=gnu --sparse",
        "--format=gnu",
        "--format=pax --sparse --sparse-version=0.0",
        "--format=pax --sparse --sparse-version=0.1",
    ],
)
def test_same_as_gnu_tar(root: Path, tmp_path: Path, options: str) -> None:
    make_tree(tmp_path / "tree")
    if "sparse" not in options:
        os.truncate(tmp_path / "tree/sparse", 1 << 20)
    content = subprocess.run(
        ["tar", "-C", tmp_path / "tree", *options.split(), "--xattrs-include=*", "-c", "."],
        capture_output=True,
        check=True,
    ).stdout
    (tmp_path / "gnu").mkdir()
    extract = ["tar", "-C", tmp_path / "gnu", "-xp", "--numeric-owner", "--xattrs", "--xattrs-include=*"]
    subprocess.run(extract, input=content, check=True)
    layer = unpacked(root, content)
    assert tree(layer) == tree(tmp_path / "gnu")
    if "pax" in options:
        assert tree(layer)[b"bin/tool"][5]["security.capability"] == CAPABILITY
        assert (layer / "bin/tool").stat().st_mtime_ns % 1000 != 0
    if "sparse" in options:
        assert (layer / "sparse").stat().st_blocks * 512 < 1 << 20


def test_ustar_with_prefix_and_v7(root: Path, tmp_path: Path) -> None:
    (tmp_path / "tree" / ("p" * 90) / ("q" * 90)).mkdir(parents=True)
    (tmp_path / "tree" / ("p" * 90) / ("q" * 90) / "file").write_text("x")
    for format in ("ustar", "v7"):
        where = tmp_path / "tree" if format == "ustar" else tmp_path / "tree" / ("p" * 90)
        content = subprocess.run(
            ["tar", "-C", where, f"--format={format}", "-c", "."], capture_output=True, check=True
        ).stdout
        assert tree(unpacked(root, content), times=False) == tree(where, times=False)


def test_whiteouts_become_overlayfs_ones(root: Path) -> None:
    layer = unpacked(
        root,
        archive(
            directory("etc"),
            entry("etc/.wh.passwd"),
            entry(".wh.gone"),
            directory("opt"),
            entry("opt/.wh..wh..opq"),
            entry("opt/new", content=b"1"),
            entry(".wh..wh.plnk"),
            entry("implied/.wh.x"),
        ),
    )
    for path in ("etc/passwd", "gone", "implied/x"):
        status = os.lstat(layer / path)
        assert (stat.S_IFMT(status.st_mode), status.st_rdev) == (stat.S_IFCHR, 0)
    assert os.getxattr(layer / "opt", "trusted.overlay.opaque") == b"y"
    assert sorted(path.name for path in layer.iterdir()) == ["etc", "gone", "implied", "opt"]
    assert stat.S_IMODE((layer / "implied").stat().st_mode) == 0o755


@pytest.mark.parametrize("whiteout_first", [True, False])
def test_a_whiteout_hides_lower_layers_only(root: Path, whiteout_first: bool) -> None:
    """OCI image spec, layer.md: whiteouts apply to lower layers, wherever they stand in the archive."""
    new = [directory("d"), entry("d/new"), entry("f", content=b"new")]
    whiteouts = [entry(".wh.d"), entry(".wh.f")]
    layer = unpacked(root, archive(*(whiteouts + new if whiteout_first else new + whiteouts)))
    assert os.getxattr(layer / "d", "trusted.overlay.opaque") == b"y"
    assert (layer / "d/new").exists()
    assert (layer / "f").read_bytes() == b"new"


def test_overlayfs_agrees(root: Path, tmp_path: Path) -> None:
    lower = unpacked(
        root,
        archive(
            directory("a"),
            entry("a/old"),
            directory("b"),
            entry("b/old"),
            entry("c"),
            directory("d"),
            entry("d/old"),
        ),
    )
    upper = unpacked(
        root,
        archive(
            directory("a"),
            entry("a/.wh.old"),
            directory("b"),
            entry("b/.wh..wh..opq"),
            entry("b/new"),
            entry(".wh.c"),
            entry(".wh.d"),
            directory("d"),
            entry("d/new"),
        ),
    )
    (tmp_path / "merged").mkdir()
    script = f"cd {tmp_path}/merged && mount -t overlay -o lowerdir={upper}:{lower} overlay . && cd $PWD && find ."
    shown = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, check=True).stdout
    assert sorted(shown.split()) == [".", "./a", "./b", "./b/new", "./d", "./d/new"]


def test_overlayfs_attributes_of_a_layer_are_not_taken(root: Path) -> None:
    """trusted.overlay.redirect from outside would show any directory of the layers under another name."""
    records = {
        "SCHILY.xattr.trusted.overlay.redirect": "/etc",
        "SCHILY.xattr.user.overlay.opaque": "y",
        "SCHILY.xattr.user.ok": "1",
    }
    layer = unpacked(root, archive(directory("d", pax_headers=records)))
    assert os.listxattr(layer / "d") == ["user.ok"]


def test_later_entries_replace_earlier_ones(root: Path) -> None:
    layer = unpacked(
        root,
        archive(
            directory("was-dir"),
            entry("was-dir/inside"),
            entry("was-dir", content=b"file now"),
            entry("was-file"),
            directory("was-file"),
            entry("was-file/inside"),
            symlink("was-link", "/etc"),
            directory("was-link"),
            entry("was-link/inside"),
            directory("kept", mode=0o700),
            entry("kept/inside"),
            directory("kept", mode=0o711),
            entry("twice", content=b"1"),
            hard_link("alias", "twice"),
            entry("twice", content=b"2"),
        ),
    )
    assert (layer / "was-dir").read_bytes() == b"file now"
    assert (layer / "was-file/inside").exists()
    assert not (layer / "was-link").is_symlink()
    assert (layer / "was-link/inside").exists()
    assert (layer / "kept/inside").exists()
    assert stat.S_IMODE((layer / "kept").stat().st_mode) == 0o711
    assert [(layer / name).read_bytes() for name in ("alias", "twice")] == [b"1", b"2"]


def test_links_inside_the_layer_are_followed_inside_it(root: Path) -> None:
    """As in a chroot: lib -> /usr/lib means the layer's own."""
    layer = unpacked(root, archive(directory("usr/lib"), symlink("lib", "/usr/lib"), entry("lib/x", content=b"1")))
    assert (layer / "usr/lib/x").read_bytes() == b"1"


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("1.5", 1_500_000_000),
        ("-1.25", -1_250_000_000),
        ("1700000000.123456789", 1_700_000_000_123_456_789),
        ("0", 0),
    ],
)
def test_times_of_pax_records_are_exact(root: Path, text: str, nanoseconds: int) -> None:
    layer = unpacked(
        root, archive(entry("f", pax_headers={"mtime": text}), directory("d", pax_headers={"mtime": text}))
    )
    assert {(layer / name).stat().st_mtime_ns for name in "fd"} == {nanoseconds}


def test_root_entry_sets_the_layers_own_attributes(root: Path) -> None:
    layer = unpacked(root, archive(directory("./", mode=0o1700, uid=7, gid=8), entry("f")))
    status = layer.stat()
    assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, status.st_mtime) == (
        0o1700,
        7,
        8,
        1_700_000_000,
    )
    assert stat.S_IMODE((root / "layers").stat().st_mode) == 0o700


def test_diff_id_and_size(root: Path) -> None:
    content = archive(entry("a", content=b"x" * 1000), directory("d"), entry("d/b", content=b"y" * 234))
    assert unpack(io.BytesIO(content), str(root), of_bytes(content)) == of_bytes(content)
    assert layer_size(str(root), of_bytes(content)) == 1234


def test_wrong_diff_id_leaves_nothing(root: Path) -> None:
    with pytest.raises(DigestMismatch):
        unpack(io.BytesIO(archive(entry("a"))), str(root), of_bytes(b"other"))
    assert not (root / "layers").exists()


def test_the_umask_does_not_matter(root: Path) -> None:
    old = os.umask(0o077)
    try:
        layer = unpacked(root, archive(directory("d"), entry("d/f"), entry("implied/f"), entry("p", tarfile.FIFOTYPE)))
    finally:
        os.umask(old)
    assert [oct(stat.S_IMODE((layer / n).stat().st_mode)) for n in (".", "d", "d/f", "implied", "p")] == [
        "0o755",
        "0o755",
        "0o644",
        "0o755",
        "0o644",
    ]


@pytest.mark.parametrize("content", [b"", bytes(1024), bytes(10240)])
def test_an_empty_layer_is_a_layer(root: Path, content: bytes) -> None:
    assert list(unpacked(root, content).iterdir()) == []


def test_a_file_of_a_terabyte_that_is_a_hole(root: Path, tmp_path: Path) -> None:
    os.truncate(os.open(tmp_path / "hole", os.O_CREAT | os.O_WRONLY), 1 << 40)
    tar = ["tar", "-C", tmp_path, "--sparse", "-c", "hole"]
    layer = unpacked(root, subprocess.run(tar, capture_output=True, check=True).stdout)
    assert ((layer / "hole").stat().st_size, (layer / "hole").stat().st_blocks) == (1 << 40, 0)


def test_type_that_no_layer_may_have(root: Path) -> None:
    with pytest.raises(CorruptArchive, match="is of the type"):
        unpacked(root, archive(entry("volume", b"V")))
