"""`exec`, `cp`, `diff`, `export` and `commit` beside docker's: the same command lines on the same files."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks import peers
from tests.engine.containers import eventually
from tests.support.command import Minidock

pytestmark = pytest.mark.interop

Outcome = tuple[int, bytes, bytes]
Engine = Callable[..., Outcome]
FILES = (
    "mkdir -p /s/dir/sub /d/e; echo f > /s/file; echo g > /s/dir/g; echo h > /s/dir/sub/h; ln -s dir /s/ldir; "
    "ln -s file /s/lfile; ln -s /nowhere /s/ldead; ln -s /d /ld; echo old > /d/old; chown -R 12:34 /s; "
    "touch /ready; exec sleep 1000"
)


@pytest.fixture(scope="module")
def engines(minidock: Minidock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Engine, Engine]]:
    """(docker, minidock), each with the same Alpine and a running container `box` with the same files."""
    directory = tmp_path_factory.mktemp("docker")
    tarball = directory / "alpine.tar"
    tarball.write_bytes(b"")
    made = minidock("run", "--name", "source", "--network", "none", "alpine", "true", timeout=280)
    assert made.returncode == 0, made.stderr
    minidock("export", "-o", str(tarball), "source")
    minidock("rm", "source")

    def ours(*words: str, input: bytes = b"") -> Outcome:
        done = minidock(*words, input=input)
        return done.returncode, done.stdout, done.stderr.replace(b"minidock: ", b"", 1)

    # Both from the one archive, so that no file differs in as much as a time.
    imported = minidock("import", "-c", 'CMD ["/bin/sh"]', str(tarball), "same")
    assert imported.returncode == 0, imported.stderr
    with peers.docker_daemon(str(directory)) as base:
        assert base, "dockerd does not start"
        peers.run([*base, "import", "-c", 'CMD ["/bin/sh"]', str(tarball), "same"])

        def theirs(*words: str, input: bytes = b"") -> Outcome:
            done = subprocess.run([*base, *words], input=input, capture_output=True, timeout=60, check=False)
            # Its client's log of its own pipe, and its daemon's paths, are not what a user is told.
            errors = re.sub(rb"time=.*\n", b"", done.stderr.replace(b"Error response from daemon: ", b""))
            return done.returncode, done.stdout, re.sub(rb"lstat \S*/merged/", b"lstat /", errors)

        for engine in (theirs, ours):
            engine("run", "-d", "--network", "none", "--name", "box", "same", "sh", "-c", FILES)
            eventually(lambda engine=engine: engine("exec", "box", "ls", "/ready")[0] == 0)  # type: ignore[misc]
        yield theirs, ours
        for engine in (theirs, ours):
            engine("rm", "-f", "box")


EXEC = {
    "identity": ["box", "id"],
    "status": ["box", "grep", "-E", "^(Cap|NoNewPrivs|Seccomp:|Sig(Blk|Ign)|Groups)", "/proc/self/status"],
    "limits": ["box", "cat", "/proc/self/limits"],
    "user": ["-u", "nobody", "box", "sh", "-c", "id; echo $HOME; pwd; grep Cap /proc/self/status"],
    "user-numbers": ["-u", "12:34", "box", "id"],
    "user-and-group": ["-u", "nobody:wheel", "box", "id"],
    "environment": ["-e", "A=1", "-e", "HOME=/x", "box", "sh", "-c", "env | grep -v HOSTNAME | sort"],
    "terminal": ["-t", "box", "sh", "-c", "tty; echo $TERM"],
    "directory": ["-w", "/tmp", "box", "pwd"],
    "open-files": ["box", "sh", "-c", "ls /proc/self/fd | wc -l"],
    "no-input": ["box", "cat"],
    "exit-code": ["box", "sh", "-c", "exit 42"],
    "killed": ["box", "sh", "-c", "kill -9 $$"],
    "not-executable": ["box", "/etc/passwd"],
    "directory-as-program": ["box", "/etc"],
    "unknown-user": ["-u", "bla", "box", "true"],
    "no-directory": ["-w", "/no", "box", "true"],
    "relative-directory": ["-w", "no", "box", "true"],
    "no-terminal": ["-it", "box", "true"],
    "no-container": ["nobody", "true"],
}


@pytest.mark.parametrize("words", EXEC.values(), ids=EXEC.keys())
def test_exec(engines: tuple[Engine, Engine], words: list[str]) -> None:
    theirs, ours = (engine("exec", *words) for engine in engines)
    # What docker's exec cannot do, it says on the output of the process that is not there.
    assert ours[:2] == (theirs[0], b"" if theirs[0] == 126 else theirs[1])


def test_exec_refusals_in_the_same_words(engines: tuple[Engine, Engine]) -> None:
    for engine in engines:
        engine("run", "-d", "--network", "none", "--name", "resting", "same", "sleep", "1000")
        engine("pause", "resting")
    paused = [engine("exec", "resting", "true") for engine in engines]
    for engine in engines:
        engine("unpause", "resting")
        engine("kill", "resting")
        eventually(lambda engine=engine: b"Exited" in engine("ps", "-a")[1])  # type: ignore[misc]
    stopped = [engine("exec", "resting", "true") for engine in engines]
    for engine in engines:
        engine("rm", "-f", "resting")
    assert paused[0] == paused[1]
    hide = [(code, out, re.sub(rb"[0-9a-f]{64}", b"ID", err)) for code, out, err in stopped]
    assert hide[0] == hide[1]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with files to copy in."""
    (tmp_path / "l/dir/sub").mkdir(parents=True)
    for name, content in (("l/file", "F"), ("l/dir/g", "G"), ("l/dir/sub/h", "H")):
        (tmp_path / name).write_text(content)
    for name, target in (("l/ldir", "dir"), ("l/lfile", "file"), ("l/ldead", "/nowhere")):
        (tmp_path / name).symlink_to(target)
    for path in (tmp_path / "l").rglob("*"):
        os.chown(path, 56, 78, follow_symlinks=False)
    return tmp_path


SOURCES = ["/s/file", "s/dir", "/s/dir/", "/s/dir/.", "/s/ldir", "/s/ldir/", "/s/ldir/.", "/s/lfile", "/s/ldead",
           "/s/file/", "/s/file/.", "/nosuch", "-L /s/ldir", "-L /s/lfile", "-L /s/ldead", "-a /s/dir"]  # fmt: skip
PLACES = ["dst", "dst/", "dst/.", "dst/old", "new", "new/", "no/new", "dst/old/", "ldst", "lnone", "dst/e"]


@pytest.mark.parametrize("source", SOURCES)
def test_cp_out(engines: tuple[Engine, Engine], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    *options, path = source.split()
    for place in PLACES:
        results = []
        for number, engine in enumerate(engines):
            where = tmp_path / f"{place.replace('/', '-')}-{number}"
            (where / "dst/e").mkdir(parents=True)
            (where / "dst/old").write_text("old")
            (where / "ldst").symlink_to("dst")
            (where / "lnone").symlink_to("none")
            monkeypatch.chdir(where)
            code, out, err = engine("cp", *options, f"box:{path}", place)
            results.append((code, out, err.strip().replace(bytes(where), b"HERE"), tree(where)))
        assert results[0] == results[1], place


def tree(where: Path) -> set[tuple[object, ...]]:
    """All below a directory: name, kind and mode, owner, and content."""
    found = set()
    for path in where.rglob("*"):
        status = path.lstat()
        content = os.readlink(path) if path.is_symlink() else path.read_text() if path.is_file() else ""
        found.add((str(path.relative_to(where)), status.st_mode, status.st_uid, status.st_gid, content))
    return found


FROM_HERE = ["l/file", "l/dir", "l/dir/", "l/dir/.", "l/ldir", "l/ldir/", "l/ldir/.", "l/lfile", "l/ldead", "l/nosuch",
             "-L l/ldir", "-L l/lfile", "-a l/dir"]  # fmt: skip
INSIDE = ["/d", "/d/", "d/.", "/d/old", "/n", "/n/", "/no/n", "/d/old/", "/ld", "/ld/", "/d/e"]


@pytest.mark.parametrize("source", FROM_HERE)
def test_cp_in(engines: tuple[Engine, Engine], here: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    monkeypatch.chdir(here)
    *options, path = source.split()
    reset = "rm -rf /d /n; mkdir -p /d/e; echo old > /d/old"
    look = "for f in $(find /d /n | sort); do stat -c '%n %F %u:%g %a' $f; readlink $f || cat $f; done 2>&1"
    for place in INSIDE:
        results = []
        for engine in engines:
            engine("exec", "box", "sh", "-c", reset)
            code, out, err = engine("cp", *options, path, f"box:{place}")
            words = err.strip().replace(bytes(here), b"HERE")
            words = re.sub(rb'Error processing tar file\(exit status 1\): |(?<=with directory) "/d"', b"", words)
            results.append((code, out, words, engine("exec", "box", "sh", "-c", look)[1]))
        assert results[0] == results[1], place


def test_cp_streams(engines: tuple[Engine, Engine], here: Path) -> None:
    for path in ("/s/dir", "/s/dir/.", "/s/lfile", "/s/file", "/s/ldir/"):
        lists = []
        for engine in engines:
            with tarfile.open(fileobj=io.BytesIO(engine("cp", f"box:{path}", "-")[1])) as tar:
                lists.append([(e.name, e.type, e.uid, e.gid, oct(e.mode & 0o7777), e.size, e.linkname) for e in tar])
        assert lists[0] == lists[1]
    archive = subprocess.run(["tar", "cz", "l"], cwd=here, capture_output=True, check=True).stdout
    for place in ("/d", "/ld", "/s/file", "/nowhere"):
        theirs, ours = (engine("cp", "-", f"box:{place}", input=archive) for engine in engines)
        assert (ours[0], ours[2].strip()) == (theirs[0], theirs[2].strip()), place


SCRIPT = (
    "echo a > /etc/motd; mkdir -p /x/y; touch /x/y/f; rm /etc/issue; rm -r /etc/apk; mkdir /etc/apk; "
    "echo z > /etc/apk/world; chmod 700 /var/log; touch -r /etc/passwd /etc/passwd; rm -r /srv; echo > /srv; "
    "rm /etc/shells; mkdir -p /etc/shells/a; ln -s a /l; rm /bin/ls; echo hi >> /etc/hosts; mkfifo /ff; "
    "chown nobody /etc/profile; touch /tmp/q; rm /tmp/q; mkdir -p /root/a/b; rm -r /root/a; mv /etc/fstab /etc/fstab2; "
    "rm -r /usr/share/apk; ln -s / /usr/share/apk; touch '/a b'; ln /etc/os-release /twin; rm -r /media; mkdir /media; "
    "chmod 4755 /bin/busybox; mkdir /made; mknod /node c 1 3; touch -d 2001-01-01 /etc/group"
)


@pytest.fixture
def changed(engines: tuple[Engine, Engine], tmp_path: Path) -> Iterator[tuple[Engine, Engine]]:
    """In both, a container `changed` that has done the same and ended."""
    words = ["--network", "none", "-v", f"{tmp_path}:/new/place", "-w", "/work/dir", "-e", "V=1"]
    for engine in engines:
        assert engine("run", "--name", "changed", *words, "same", "sh", "-ec", SCRIPT)[0] == 0
    yield engines
    for engine in engines:
        engine("rm", "-f", "changed")


def test_diff_is_docker_s(changed: tuple[Engine, Engine]) -> None:
    theirs, ours = (sorted(engine("diff", "changed")[1].splitlines()) for engine in changed)
    assert ours == theirs


def test_export_is_docker_s(changed: tuple[Engine, Engine]) -> None:
    """With what every container has of its own, such as /.dockerenv and /etc/mtab."""
    lists = []
    for engine in changed:
        with tarfile.open(fileobj=io.BytesIO(engine("export", "changed")[1])) as tar:
            lists.append({(e.name, e.type, e.uid, e.gid, oct(e.mode & 0o7777), e.size, e.linkname) for e in tar
                          if not re.fullmatch(r"(etc|new)/?.*place|work/dir", e.name)})  # fmt: skip
    # A file with two names is a link to the other: which comes first is by name here, by inode there.
    for entries in lists:
        entries -= {entry for entry in entries if "os-release" in entry[0] or entry[0] == "twin"}
    assert lists[0] == lists[1]


def test_what_is_committed_here_runs_in_docker_and_podman(
    changed: tuple[Engine, Engine], minidock: Minidock, tmp_path: Path
) -> None:
    theirs, ours = changed
    code, out, _ = ours("commit", "-a", "me", "-m", "why", "-c", 'CMD ["cat", "/etc/motd"]', "changed", "kept:1")
    assert code == 0
    archive = minidock("save", "kept:1").stdout
    assert theirs("load", input=archive)[0] == 0
    try:
        assert theirs("run", "--rm", "--network", "none", "kept:1")[:2] == (0, b"a\n")
        look = "ls / /etc/apk /etc/shells /media; stat -c '%u %a %h %F' /twin /node /ff /etc/profile /bin/busybox"
        inside = ("run", "--rm", "--network", "none", "kept:1", "sh", "-c", look)
        assert ours(*inside)[:2] == theirs(*inside)[:2]
        config = json.loads(theirs("inspect", "kept:1")[1])[0]
        assert (config["Id"], config["Author"], config["Comment"]) == (out.decode().strip(), "me", "why")
        assert config["Config"]["WorkingDir"] == "/work/dir"
        assert "V=1" in config["Config"]["Env"]
    finally:
        theirs("rmi", "kept:1")
    run_root = tempfile.mkdtemp(prefix="pod-", dir="/run")  # podman wants a short one
    base = ["podman", "--root", f"{tmp_path}/podman", "--runroot", run_root, "--runtime", "runc", "--cgroup-manager",
            "cgroupfs"]  # fmt: skip
    (tmp_path / "kept.tar").write_bytes(archive)
    try:
        peers.run([*base, "load", "-q", "-i", str(tmp_path / "kept.tar")])
        limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]
        assert peers.run([*base, "run", "--rm", "--network", "none", *limits, "kept:1"]) == "a\n"
    finally:
        subprocess.run([*base, "system", "reset", "--force"], capture_output=True, check=False)
        shutil.rmtree(run_root, ignore_errors=True)
        ours("rmi", "kept:1")


UPDATE = [
    ["changed"],
    ["-m", "1m", "changed"],
    ["--cpus", "1000", "changed"],
    ["--cpuset-cpus", "700", "changed"],
    ["--restart", "on-failure:2", "changed"],
    ["--restart", "no", "changed"],
    ["-m", "64m", "--memory-swap", "128m", "changed"],
    ["-m", "256m", "changed"],
    ["--cpu-shares", "512", "--pids-limit", "40", "--cpus", "0.5", "changed"],
    ["-m", "64m", "nobody"],
]


def test_update(changed: tuple[Engine, Engine]) -> None:
    """Of a container that does not run: what is refused and what is recorded."""
    for words in UPDATE:
        theirs, ours = (engine("update", *words) for engine in changed)
        assert ours[:2] == theirs[:2], (words, theirs, ours)
    keys = ("Memory", "MemorySwap", "NanoCpus", "CpuShares", "PidsLimit", "RestartPolicy")
    theirs_, ours_ = (json.loads(engine("inspect", "changed")[1])[0]["HostConfig"] for engine in changed)
    assert {key: ours_[key] for key in keys} == {key: theirs_[key] for key in keys}
