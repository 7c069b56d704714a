"""`cp`: docker's rules of what becomes which name, and no way out of the container (CVE-2018-15664).

The table is docker's own behaviour; tests/interop/test_docker_changes.py asks docker itself.
"""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.containers import eventually
from tests.engine.pty import Terminal
from tests.support.command import Minidock
from tests.support.swapping import exchanging

SETUP = (
    "mkdir -p /s/dir/sub /d/e; echo f > /s/file; echo g > /s/dir/g; echo h > /s/dir/sub/h; ln -s dir /s/ldir; "
    "ln -s file /s/lfile; ln -s /nowhere /s/ldead; ln -s /d /ld; echo old > /d/old; chown -R 12:34 /s; "
    "chmod 4751 /s/file; touch -d '2001-02-03 04:05:06' /s/file; touch /ready; exec sleep 1000"
)


@pytest.fixture(scope="module")
def box(engine: Minidock) -> Iterator[str]:
    """A container with files to copy."""
    done = engine("run", "-d", "--network", "none", "--name", "files", "alpine", "sh", "-c", SETUP)
    assert done.returncode == 0, done.stderr.decode()
    eventually(lambda: engine("exec", "files", "ls", "/ready").returncode == 0)
    yield "files"
    engine("rm", "-f", "files")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The caller's directory, with files to copy and a place for others."""
    monkeypatch.chdir(tmp_path)
    for directory in ("l/dir/sub", "dst/e"):
        (tmp_path / directory).mkdir(parents=True)
    for name, content in (("l/file", "F"), ("l/dir/g", "G"), ("l/dir/sub/h", "H"), ("dst/old", "old")):
        (tmp_path / name).write_text(content)
    for name, target in (("l/ldir", "dir"), ("l/lfile", "file"), ("l/ldead", "/nowhere"), ("ldst", "dst"),
                         ("lnone", "none")):  # fmt: skip
        (tmp_path / name).symlink_to(target)
    return tmp_path


def below(place: Path) -> set[str]:
    """What there is below a directory, as text; a link with what it leads to."""
    found = set()
    for path in place.rglob("*"):
        arrow = f" -> {os.readlink(path)}" if path.is_symlink() else ""
        found.add(f"{path.relative_to(place)}{arrow}")
    return found


DIRECTORY = {"dir", "dir/g", "dir/sub", "dir/sub/h"}
CONTENT = {"g", "sub", "sub/h"}
OUT: list[tuple[str, str, set[str] | str]] = [
    ("/s/file", "dst", {"dst/file"}),
    ("s/file", "dst/.", {"dst/file"}),
    ("/s/file", "dst/old", set()),
    ("/s/file", "new", {"new"}),
    ("/s/file", "ldst", {"dst/file"}),
    ("/s/file", "lnone", {"none"}),
    ("/s/file", "new/", "no such directory"),
    ("/s/file", "no/new", 'invalid output path: directory "HERE/no" does not exist'),
    ("/s/file", "dst/old/", "stat HERE/dst/old/: not a directory"),
    ("/s/dir", "dst", {f"dst/{name}" for name in DIRECTORY}),
    ("/s/dir/", "dst/", {f"dst/{name}" for name in DIRECTORY}),
    ("/s/dir/.", "dst", {f"dst/{name}" for name in CONTENT}),
    ("/s/dir", "new", {"new", *(f"new/{name}" for name in CONTENT)}),
    ("/s/dir/.", "new/", {"new", *(f"new/{name}" for name in CONTENT)}),
    ("/s/dir", "dst/old", "cannot copy directory"),
    ("/s/ldir", "dst", {"dst/ldir -> dir"}),
    ("/s/ldir/", "dst", {"dst/ldir", *(f"dst/ldir/{name}" for name in CONTENT)}),
    ("/s/lfile", "new", {"new -> file"}),
    ("/s/ldead", "dst", {"dst/ldead -> /nowhere"}),
    ("-L /s/lfile", "dst", {"dst/lfile"}),
    ("-L /s/ldir", "dst", {"dst/ldir", *(f"dst/ldir/{name}" for name in CONTENT)}),
    ("-L /s/ldead", "dst", "Could not find the file /nowhere in container files"),
    ("/no/such", "dst", "Could not find the file /no/such in container files"),
    ("/s/file/", "dst", "lstat /s/file/: not a directory"),
    # Links that climb end at the container's root.
    ("/ld/../../../../../s/file", "dst", {"dst/file"}),
]


@pytest.mark.parametrize(("what", "where", "made"), OUT, ids=[f"{what}:{where}" for what, where, _ in OUT])
def test_out(engine: Minidock, box: str, here: Path, what: str, where: str, made: set[str] | str) -> None:
    before = below(here)
    *options, path = what.split()
    done = engine("cp", *options, f"{box}:{path}", where)
    if isinstance(made, str):
        assert (done.returncode, done.stderr.decode()) == (1, f"minidock: {made.replace('HERE', str(here))}\n")
        made = set()
    else:
        assert (done.returncode, done.stderr) == (0, b"")
    assert below(here) - before == made


IN: list[tuple[str, str, set[str] | str]] = [
    ("l/file", "/d", {"/d/file"}),
    ("l/file", "d/old", set()),
    ("l/file", "/n", {"/n"}),
    ("l/file", "/ld", {"/d/file"}),
    ("l/file", "/n/", "no such directory"),
    ("l/file", "/no/n", "Could not find the file /no in container files"),
    ("l/dir", "/d", {f"/d/{name}" for name in DIRECTORY}),
    ("l/dir/.", "/d", {f"/d/{name}" for name in CONTENT}),
    ("l/dir", "/n", {"/n", *(f"/n/{name}" for name in CONTENT)}),
    ("l/dir", "/d/old", "cannot copy directory"),
    ("l/dir", "/d/old/", 'cannot overwrite non-directory "/d/old" with directory'),
    ("l/ldir", "/d", {"/d/ldir"}),
    ("l/ldir/", "/d", {"/d/ldir", *(f"/d/ldir/{name}" for name in CONTENT)}),
    ("-L l/lfile", "/d", {"/d/lfile"}),
    ("l/nosuch", "/d", "lstat HERE/l/nosuch: no such file or directory"),
    ("l/file", "/d/../../../../d", {"/d/file"}),
]


@pytest.mark.parametrize(("what", "where", "made"), IN, ids=[f"{what}:{where}" for what, where, _ in IN])
def test_in(engine: Minidock, box: str, here: Path, what: str, where: str, made: set[str] | str) -> None:
    engine("exec", box, "sh", "-c", "rm -rf /d /n; mkdir -p /d/e; echo old > /d/old")
    *options, path = what.split()
    done = engine("cp", *options, path, f"{box}:{where}")
    if isinstance(made, str):
        assert (done.returncode, done.stderr.decode()) == (1, f"minidock: {made.replace('HERE', str(here))}\n")
        made = set()
    else:
        assert (done.returncode, done.stderr) == (0, b"")
    inside = set(engine("exec", box, "sh", "-c", "find /d /n /no").stdout.decode().split())
    assert inside - {"/d", "/d/e", "/d/old"} == made


def test_attributes(engine: Minidock, box: str, here: Path) -> None:
    """Out, the files are the caller's own; in, they keep their numbers."""
    assert engine("cp", f"{box}:/s/file", "dst").returncode == 0
    status = (here / "dst/file").stat()
    assert (oct(status.st_mode), status.st_uid, status.st_gid) == ("0o104751", os.getuid(), os.getgid())
    assert int(status.st_mtime) == 981173106
    os.chown("l/file", 56, 78)
    os.setxattr("l/file", "user.note", b"kept")
    assert engine("cp", "l/file", f"{box}:/d/attributes").returncode == 0
    assert engine("exec", box, "stat", "-c", "%u:%g %a", "/d/attributes").stdout == b"56:78 644\n"
    assert engine("cp", f"{box}:/d/attributes", "back").returncode == 0
    assert os.getxattr("back", "user.note") == b"kept"


def test_archive_mode_gives_to_the_container_s_user(engine: Minidock, here: Path) -> None:
    engine("create", "--name", "mailer", "--network", "none", "-u", "mail:mail", "alpine", "true")
    try:
        os.chown("l/file", 56, 78)
        assert engine("cp", "-a", "l/file", "mailer:/a").returncode == 0
        assert engine("cp", "l/file", "mailer:/b").returncode == 0
        with tarfile.open(fileobj=io.BytesIO(engine("cp", "mailer:/a", "-").stdout)) as tar:
            assert [(entry.uid, entry.gid) for entry in tar] == [(8, 12)]
        with tarfile.open(fileobj=io.BytesIO(engine("cp", "mailer:/b", "-").stdout)) as tar:
            assert [(entry.uid, entry.gid) for entry in tar] == [(56, 78)]
    finally:
        engine("rm", "mailer")


def test_streams(engine: Minidock, box: str, here: Path) -> None:
    done = engine("cp", f"{box}:/s/dir", "-")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
        assert [(entry.name, entry.uid, entry.gid) for entry in tar] == [
            ("dir", 12, 34), ("dir/g", 12, 34), ("dir/sub", 12, 34), ("dir/sub/h", 12, 34)]  # fmt: skip
    archive = subprocess.run(["tar", "czf", "-", "l"], capture_output=True, check=True).stdout
    assert engine("cp", "-", f"{box}:/d", input=archive).returncode == 0
    assert engine("exec", box, "cat", "/d/l/dir/g").stdout == b"G"
    refused = engine("cp", "-", f"{box}:/s/file", input=archive)
    assert (refused.returncode, refused.stderr) == (1, b'minidock: destination "files:/s/file" must be a directory\n')
    refused = engine("cp", "-", f"{box}:/d", input=b"junk" * 200)
    assert refused.returncode == 1
    assert b"not a tar archive" in refused.stderr


def test_a_tar_stream_stays_where_it_is_put(engine: Minidock, box: str, here: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        link = tarfile.TarInfo("way-out")
        link.type, link.linkname = tarfile.SYMTYPE, f"/../../../../../../..{here}"
        tar.addfile(link)
        file = tarfile.TarInfo("way-out/escaped")
        file.size = 1
        tar.addfile(file, io.BytesIO(b"x"))
    assert engine("cp", "-", f"{box}:/d", input=buffer.getvalue()).returncode == 1  # inside, it leads to nothing
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("../../../escaped"))
    assert engine("cp", "-", f"{box}:/d", input=buffer.getvalue()).returncode == 1
    assert "escaped" not in {path.name for path in here.rglob("*")}


def test_on_a_terminal_it_says_how_much(engine: Minidock, box: str, here: Path) -> None:
    for words, line in (((f"{box}:/s/file", "new"), f"Successfully copied 2.05kB to {here}/new"),
                        (("-q", "l/file", f"{box}:/d"), "")):  # fmt: skip
        terminal = Terminal([*engine.program, "cp", *words], engine.environment)
        assert terminal.wait() == 0
        assert terminal.rest().decode().strip() == line
        terminal.close()


def test_which_arguments_make_no_sense(engine: Minidock, box: str, here: Path) -> None:
    for words, why in (
        ((f"{box}:/a", f"{box}:/b"), "copying between containers is not supported"),
        (("l/file", "dst"), "must specify at least one container source"),
        (("l/file", "nobody:/x"), "No such container: nobody"),
    ):
        done = engine("cp", *words)
        assert (done.returncode, done.stderr.decode()) == (1, f"minidock: {why}\n")


def test_links_that_change_all_the_time_lead_nowhere_else(engine: Minidock, box: str, here: Path) -> None:
    """CVE-2018-15664: between looking and opening, the container swaps a directory for a link to the host's files."""
    (here / "secret").write_text("the host's")
    script = f"mkdir /a; echo inside > /a/secret; ln -s {here} /b"
    assert engine("exec", box, "sh", "-c", script).returncode == 0
    root = Path("/proc", engine("inspect", "-f", "{{.State.Pid}}", box).stdout.decode().strip(), "root")
    with exchanging(root / "a", root / "b"):
        for number in range(8):
            engine("cp", f"{box}:/a/secret", f"got-{number}")
            engine("cp", "l/file", f"{box}:/a/planted")
    assert {path.read_text() for path in here.glob("got-*")} <= {"inside\n"}
    assert not (here / "planted").exists()
    engine("exec", box, "rm", "-rf", "/a", "/b")


def test_what_does_not_run_with_what_is_bound_into_it(engine: Minidock, here: Path) -> None:
    engine("run", "--name", "stopped", "--network", "none", "-v", f"{here}/dst:/data", "-v", f"{here}/l:/fixed:ro",
           "alpine", "sh", "-c", "echo mine > /mine; rm /etc/motd")  # fmt: skip
    try:
        assert engine("cp", "stopped:/mine", "mine").returncode == 0
        assert (here / "mine").read_text() == "mine\n"
        assert engine("cp", "stopped:/etc/motd", "motd").returncode == 1
        assert engine("cp", "stopped:/data/old", "old").returncode == 0
        assert engine("cp", "l/file", "stopped:/data/new").returncode == 0
        assert (here / "dst/new").read_text() == "F"
        refused = engine("cp", "l/file", "stopped:/fixed")
        assert (refused.returncode, refused.stderr) == (1, b"minidock: mounted volume is marked read-only\n")
        assert engine("cp", "l/file", "stopped:/kept").returncode == 0
        assert engine("diff", "stopped").stdout.splitlines()[-1] == b"A /mine"
        assert b"A /kept" in engine("diff", "stopped").stdout.splitlines()
    finally:
        engine("rm", "stopped")


def test_a_volume_and_a_read_only_root_of_one_that_runs(engine: Minidock, here: Path) -> None:
    engine("run", "-d", "--name", "fixed", "--network", "none", "--read-only", "--tmpfs", "/run", "-v",
           f"{here}/dst:/data", "alpine", "sh", "-c", "echo there > /run/there; sleep 1000")  # fmt: skip
    try:
        eventually(lambda: engine("exec", "fixed", "ls", "/run/there").returncode == 0)
        refused = engine("cp", "l/file", "fixed:/etc")
        assert (refused.returncode, refused.stderr) == (1, b"minidock: container rootfs is marked read-only\n")
        assert engine("cp", "l/file", "fixed:/data/new").returncode == 0
        assert (here / "dst/new").read_text() == "F"
        assert engine("cp", "fixed:/", "all").returncode == 0
        assert os.listdir("all/proc") == os.listdir("all/sys") == []
        assert not Path("all/run/there").exists()
        assert sorted(os.listdir("all/dev")) == ["console", "pts", "shm"]
    finally:
        engine("rm", "-f", "fixed")


def test_one_that_was_only_created(engine: Minidock, here: Path) -> None:
    engine("create", "--name", "fresh", "--network", "none", "alpine", "cat", "/greeting")
    try:
        assert engine("cp", "fresh:/etc/alpine-release", ".").returncode == 0
        assert (here / "alpine-release").read_text().startswith("3.")
        assert engine("cp", "l/file", "fresh:/greeting").returncode == 0
        assert engine("start", "-a", "fresh").stdout == b"F"
    finally:
        engine("rm", "-f", "fresh")


def test_it_does_not_hold_up_the_container(engine: Minidock, box: str, here: Path) -> None:
    """A big copy while the container writes, and another copy beside it."""
    engine("exec", box, "sh", "-c", "mkdir /big; for i in 1 2 3 4 5 6 7 8; do head -c 8m /dev/urandom > /big/$i; done")
    codes: list[int] = []
    copies = [threading.Thread(target=lambda name=name: codes.append(engine("cp", f"{box}:/big", name).returncode))
              for name in ("big-1", "big-2")]  # fmt: skip
    for copy in copies:
        copy.start()
    for copy in copies:
        copy.join()
    assert codes == [0, 0]
    sums = engine("exec", box, "sh", "-c", "cd /big; sha256sum *").stdout
    for name in ("big-1", "big-2"):
        assert subprocess.run("sha256sum *", shell=True, cwd=name, capture_output=True, check=True).stdout == sums
    engine("exec", box, "rm", "-r", "/big")


IN_MEMORY = ("/dev/shm", "/t", "/m")


@pytest.mark.parametrize("ipc", ["private", "shareable"])
def test_what_is_in_memory_only_is_not_copied(engine: Minidock, here: Path, ipc: str) -> None:
    """As docker: what is copied is in the layer below such a mount. /dev/mqueue is not even there."""
    fill = "; ".join(f"echo inside >{place}/inside" for place in IN_MEMORY)
    mounted = ["--tmpfs", "/t", "--mount", "type=tmpfs,dst=/m", "-v", f"{here}/l:/v", "--ipc", ipc]
    words = ["--name", "memory", "--network", "none", *mounted, "alpine", "sh", "-c", f"{fill}; exec sleep 1000"]
    assert engine("run", "-d", *words).returncode == 0
    try:
        eventually(lambda: engine("exec", "memory", "test", "-s", "/m/inside").returncode == 0)
        for place in IN_MEMORY:
            done = engine("cp", f"memory:{place}/inside", "dst")
            assert (done.returncode, done.stderr.decode()) == (
                1, f"minidock: Could not find the file {place}/inside in container memory\n"
            )  # fmt: skip
            assert engine("cp", "l/file", f"memory:{place}/new").returncode == 0
            assert engine("exec", "memory", "ls", place).stdout == b"inside\n"
            assert engine("cp", f"memory:{place}/new", "dst").returncode == 0
        assert engine("cp", "memory:/v/dir/g", "dst").returncode == 0  # what is bound is
        for place in ("/dev/mqueue/", "/dev/mqueue", "/proc/1"):
            done = engine("cp", f"memory:{place}", "dst")
            assert done.stderr.decode() == f"minidock: Could not find the file {place} in container memory\n"
        assert {line[2:] for line in engine("diff", "memory").stdout.decode().splitlines()} >= {
            f"{place}/new" for place in IN_MEMORY
        }
    finally:
        engine("rm", "-f", "memory")
