"""A hostile layer writes nothing outside its directory, and costs no more than the limits allow.

The fixture `root` watches: beside it there is a file `canary` that must not change, and nothing may be called
`pwned`.
"""

import copy
import gzip
import io
import os
import tarfile
from pathlib import Path

import pytest

from minidock.errors import MinidockError
from minidock.image.compression import CorruptArchive
from minidock.image.entries import UnsafePath
from minidock.image.importer import import_tarball
from minidock.image.workspace import remove_tree
from tests.image.tars import archive, directory, entry, hard_link, symlink, unpacked

# From <root>/tmp/<workspace>/<layer>, where layers are unpacked, this is the directory above <root>.
UP = "../../../.."
PWNED = b"pwned"

REFUSED = {
    "parent": [entry(f"{UP}/pwned", content=PWNED)],
    "parent after going down": [entry(f"a/b/../../{UP}/pwned", content=PWNED)],
    "directory above": [directory(f"{UP}/pwned")],
    "symbolic link placed above": [symlink(f"{UP}/pwned", "x")],
    "hard link placed above": [entry("x"), hard_link(f"{UP}/pwned", "x")],
    "hard link to above": [hard_link("x", f"{UP}/canary"), entry("x", content=PWNED)],
    "hard link through a link": [symlink("up", UP), hard_link("x", "up/canary"), entry("x", content=PWNED)],
    "hard link to an absolute path": [hard_link("x", "{outside}/canary"), entry("x", content=PWNED)],
    "hard link to a directory": [directory("d"), hard_link("x", "d")],
    "hard link to nothing": [hard_link("x", "")],
    "whiteout of the parent": [directory("d"), entry("d/.wh...")],
    "whiteout of itself": [entry(".wh..")],
    "whiteout of nothing": [entry(".wh.")],
    "whiteout above": [entry(f"{UP}/.wh.canary")],
    "root that is a link": [symlink("./", "/")],
    "root that is a file": [entry("./")],
    "dangling directory": [symlink("d", "/nowhere"), entry("d/x")],
    "file as a directory": [entry("f"), entry("f/x")],
    "loop": [symlink("a", "b"), symlink("b", "a"), entry("a/x")],
}

CONTAINED = {
    "absolute path": [entry("{outside}/pwned", content=PWNED)],
    "through a link up": [symlink("up", UP), entry("up/pwned", content=PWNED)],
    "through an absolute link": [symlink("abs", "/"), entry("abs/tmp/pwned", content=PWNED)],
    "over a link to outside": [symlink("x", "{outside}/canary"), entry("x", content=PWNED)],
    "directory over a link": [symlink("d", "{outside}"), directory("d", mode=0o777), entry("d/pwned")],
    "link of links": [symlink("a", ".."), symlink("b", "a/.."), symlink("c", "b/.."), entry("c/../pwned")],
    "whiteout through a link": [symlink("up", UP), entry("up/.wh.canary")],
    "hard link to a link": [symlink("l", "{outside}/canary"), hard_link("x", "l"), entry("x", content=PWNED)],
    "swap a directory for a link": [directory("d"), entry("d/a"), symlink("d", UP), entry("d/pwned")],
    "swap it back": [symlink("d", UP), directory("d"), entry("d/pwned"), symlink("d", UP), entry("d/pwned")],
    "times through a link": [directory("d/e"), symlink("d", UP)],
    "device": [entry("disk", tarfile.BLKTYPE, devmajor=8, devminor=0)],
}


def crafted(entries: list[tuple[tarfile.TarInfo, bytes]], outside: Path) -> bytes:
    made = []
    for info, content in entries:
        name, target = (text.replace("{outside}", str(outside)) for text in (info.name, info.linkname))
        changed = copy.copy(info)
        changed.name, changed.linkname = name, target
        made.append((changed, content))
    return archive(*made)


@pytest.mark.parametrize("case", REFUSED)
def test_refused(root: Path, case: str) -> None:
    content = crafted(REFUSED[case], root.parent)
    with pytest.raises((CorruptArchive, UnsafePath)) as caught:
        import_tarball(str(root), io.BytesIO(content))
    assert "\n" not in str(caught.value)
    assert not (root / "images/index.json").exists()
    assert not (root / "layers").exists()


@pytest.mark.parametrize("case", CONTAINED)
def test_contained(root: Path, case: str) -> None:
    layer = unpacked(root, crafted(CONTAINED[case], root.parent))
    assert not Path("/tmp/pwned").exists()
    inside = [path for path in layer.rglob("*")]
    assert inside, "made inside the layer"


def test_absolute_names_are_relative_to_the_root(root: Path) -> None:
    assert (unpacked(root, archive(entry("/etc/x", content=b"1"))) / "etc/x").read_bytes() == b"1"


def test_links_are_kept_as_text(root: Path) -> None:
    assert os.readlink(unpacked(root, archive(symlink("x", "../../../etc/shadow"))) / "x") == "../../../etc/shadow"


def test_directories_deeper_than_any_path(root: Path) -> None:
    """Links lead on from where a path ends; removing the tree must neither recurse nor run out of descriptors."""
    deep = "/".join(["d"] * 1000)
    entries = [symlink("s0", ".")]
    for n in range(8):
        entries += [directory(f"s{n}/{deep}"), symlink(f"s{n + 1}", f"s{n}/{deep}")]
    layer = unpacked(root, archive(*entries, entry("s8/bottom")))
    assert (layer / "s4/d").exists()
    remove_tree(str(layer))
    assert not layer.exists()


@pytest.mark.parametrize(
    ("variable", "value", "content"),
    [
        (
            "MINIDOCK_MAX_LAYER_BYTES",
            "1000000",
            gzip.compress(archive(entry("zeros", content=bytes(5_000_000)))),
        ),
        ("MINIDOCK_MAX_LAYER_BYTES", "1000000", gzip.compress(bytes(5_000_000))),
        ("MINIDOCK_MAX_LAYER_ENTRIES", "100", archive(*[entry(f"f{n}") for n in range(101)])),
    ],
)
def test_limits(root: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, content: bytes) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(CorruptArchive, match=variable):
        import_tarball(str(root), io.BytesIO(content))
    monkeypatch.setenv(variable, "nonsense")
    with pytest.raises(MinidockError, match="not a number"):
        import_tarball(str(root), io.BytesIO(content))


def header(**fields: object) -> bytes:
    info = tarfile.TarInfo("x")
    for field, value in fields.items():
        setattr(info, field, value)
    return info.tobuf(tarfile.GNU_FORMAT)


BROKEN = {
    "no tar": b"#!/bin/sh\necho this is a script, and no archive\n" * 100,
    "short": b"x" * 100,
    "cut in a header": archive(entry("a"), entry("b"))[:700],
    "cut in content": archive(entry("a", content=bytes(5000)))[:2000],
    "bad header in the middle": archive(entry("a"))[:512] + b"garbage!" * 64 + archive(entry("b")),
    "bad checksum in the middle": archive(entry("a"), entry("b")).replace(b"b" + bytes(99), b"c" + bytes(99)),
    "huge pax record": header(type=tarfile.XHDTYPE, size=1 << 40) + bytes(1 << 16),
    "huge long name": header(type=tarfile.GNUTYPE_LONGNAME, size=1 << 33) + bytes(1 << 16),
    "endless long names": header(type=tarfile.GNUTYPE_LONGNAME, size=0) * 5000,
    "negative size": header(size=-1000) + bytes(1024),
    "negative owner": header(uid=-5) + bytes(1024),
    "huge owner": header(uid=1 << 40) + bytes(1024),
    "huge device": header(type=tarfile.CHRTYPE, devmajor=1 << 20, devminor=1 << 20) + bytes(1024),
    "huge time": header(mtime=1 << 70) + bytes(1024),
    "time that is none": archive(entry("a", pax_headers={"mtime": "yesterday"})),
    "time that is infinite": archive(entry("a", pax_headers={"mtime": "inf"})),
    "size that is none": archive(entry("a", pax_headers={"size": "many"})),
    "nul in a name": archive(entry("a", pax_headers={"path": "a\0b"})),
    "long name": archive(entry("x" * 300)),
    "sparse map without end": archive(
        entry(
            "a",
            content=b"99999\n" + b"1\n" * 100,
            pax_headers={"GNU.sparse.major": "1", "GNU.sparse.minor": "0"},
        )
    ),
    "sparse map beyond the size": archive(
        entry("a", content=b"x" * 512, pax_headers={"GNU.sparse.size": "100", "GNU.sparse.map": "0,10,5000,100"})
    ),
    "sparse map with more than there is": archive(
        entry("a", content=b"x" * 512, pax_headers={"GNU.sparse.size": "9999", "GNU.sparse.map": "0,9999"})
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken(root: Path, case: str) -> None:
    with pytest.raises(MinidockError) as caught:
        import_tarball(str(root), io.BytesIO(BROKEN[case]))
    assert "\n" not in str(caught.value)
    assert not (root / "layers").exists()
