"""Images with something odd in the places where every container has the kernel's files and files of its own.

What docker 26 makes of each: whatever is no directory on the way to such a place is hidden by one that is.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable

import pytest

from tests.cli.conftest import Run
from tests.support.command import Minidock

Entry = tuple[str, str]  # (path, kind): a directory "/", a file "", or what a symbolic link leads to
Make = Callable[[list[Entry]], str]


@pytest.fixture
def make(minidock: Minidock) -> Make:
    """An image of a static busybox and `entries`; returns its name."""

    def image(entries: list[Entry]) -> str:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            tar.add("/bin/busybox", "bin/busybox")
            for name, kind in entries:
                info = tarfile.TarInfo(name)
                info.mode, info.uid, info.gid, info.linkname = 0o751, 12, 34, kind
                info.type = {"/": tarfile.DIRTYPE, "": tarfile.REGTYPE}.get(kind, tarfile.SYMTYPE)
                info.size = len(name) if not kind else 0
                tar.addfile(info, io.BytesIO(name.encode()) if not kind else None)
        assert minidock("import", "-", "odd", input=buffer.getvalue()).returncode == 0
        return "odd"

    return image


ODD: dict[str, list[Entry]] = {
    "nothing": [],
    "resolv.conf a link to itself": [("etc", "/"), ("etc/resolv.conf", "resolv.conf")],
    "resolv.conf a link to nothing": [("etc", "/"), ("etc/resolv.conf", "../run/x/stub")],
    "resolv.conf a link to a file": [("run", "/"), ("run/r", ""), ("etc", "/"), ("etc/resolv.conf", "/run/r")],
    "etc a file": [("etc", "")],
    "etc a link to itself": [("etc", "etc")],
    "etc a link to a directory": [("run", "/"), ("run/x", ""), ("etc", "run")],
    "proc a link": [("proc", "tmp"), ("tmp", "/")],
    "proc a file": [("proc", "")],
    "sys a link": [("sys", "/proc")],
    "sys a file": [("sys", "")],
    "dev a link": [("dev", "/"), ("dev", "/tmp"), ("tmp", "/")],
    "dev a file": [("dev", "")],
    "pts a file": [("dev", "/"), ("dev/pts", "")],
    "mtab a file": [("etc", "/"), ("etc/mtab", "")],
    "mtab a link": [("etc", "/"), ("etc/mtab", "../proc/self/mounts")],
    "dockerenv a link": [(".dockerenv", "bin/busybox")],
}
LOOK = (
    "b=/bin/busybox; for d in /etc /proc /sys /dev /dev/pts /dev/shm; do $b test -d $d -a ! -L $d || echo $d; done; "
    "$b stat -c '%a %s %F' /.dockerenv; $b readlink /etc/mtab; $b grep -c localhost /etc/hosts; $b cat /proc/1/comm; "
    "$b test -s /etc/resolv.conf -a -d /sys/kernel -a -c /dev/null && $b cat /etc/hostname; "
    "for name in resolv.conf hosts hostname; do $b test -L /etc/$name && echo link; done; true"
)


@pytest.mark.parametrize("entries", ODD.values(), ids=ODD)
def test_it_runs_all_the_same(run: Run, make: Make, entries: list[Entry]) -> None:
    done = run("--hostname", "here", make(entries), "/bin/busybox", "sh", "-c", LOOK)
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == ["755 0 regular empty file", "/proc/mounts", "2", "busybox", "here"]


def test_it_is_no_change_of_the_container_s_and_there_at_each_start(minidock: Minidock, make: Make) -> None:
    image = make([*ODD["etc a file"], *ODD["proc a link"]])
    done = minidock("run", "--name", "odd", "--network", "none", image, "/bin/busybox", "sh", "-c", LOOK)
    changed, again = minidock("diff", "odd"), minidock("start", "-a", "odd")
    minidock("rm", "odd")
    assert [(ended.returncode, ended.stderr) for ended in (done, changed, again)] == [(0, b"")] * 3
    assert (changed.stdout, again.stdout) == (b"", done.stdout)


KEPT: dict[str, tuple[list[Entry], str]] = {
    "mtab a directory": ([("etc", "/"), ("etc/mtab", "/")], "directory 751 12:34\nregular empty file 755 0:0\n"),
    "dockerenv a directory": ([(".dockerenv", "/")], "symbolic link 777 0:0\ndirectory 751 12:34\n"),
}


@pytest.mark.parametrize(("entries", "found"), KEPT.values(), ids=KEPT)
def test_a_directory_stays(run: Run, make: Make, entries: list[Entry], found: str) -> None:
    stat = ["/bin/busybox", "stat", "-c", "%F %a %u:%g", "/etc/mtab", "/.dockerenv"]
    assert run(make(entries), *stat).out == found


def test_directories_of_the_image_are_as_it_has_them(run: Run, make: Make) -> None:
    image = make([("etc", "/"), ("etc/x", ""), ("dev", "/"), ("dev/x", "")])
    done = run(image, "/bin/busybox", "stat", "-c", "%a %u:%g %s", "/etc", "/etc/x")
    assert [line.rsplit(" ", 1)[0] for line in done.out.splitlines()] == ["751 12:34", "751 12:34"]


@pytest.mark.parametrize("name", ["resolv.conf", "hosts", "hostname"])
def test_a_directory_where_a_file_is_to_be(run: Run, make: Make, name: str) -> None:
    done = run(make([("etc", "/"), (f"etc/{name}", "/")]), "/bin/busybox", "true")
    assert (done.code, done.out) == (125, "")
    assert f"on /etc/{name}: not a directory: are you trying to mount a directory onto a file" in done.err
    assert done.err.count("\n") == 1


def test_it_is_exported_and_not_committed(minidock: Minidock, make: Make) -> None:
    """As docker: who unpacks an export has them, an image of the container's does not."""
    assert minidock("create", "--name", "odd", "--network", "none", make([("etc", "")]), "/x").returncode == 0
    try:
        exported = minidock("export", "odd").stdout
        assert minidock("commit", "odd", "odd:again").returncode == 0
    finally:
        minidock("rm", "odd")
    with tarfile.open(fileobj=io.BytesIO(exported)) as tar:
        names = set(tar.getnames())
    assert {".dockerenv", "etc/mtab", "etc/hosts", "etc/resolv.conf", "dev/pts", "dev/shm", "proc", "sys"} <= names
    with tarfile.open(fileobj=io.BytesIO(minidock("save", "odd:again").stdout)) as tar:
        blobs = [file.read() for member in tar if "sha256/" in member.name and (file := tar.extractfile(member))]
    assert blobs
    assert not any(b".dockerenv" in blob for blob in blobs)
