"""`diff`, `export` and `commit`: what a container has changed, told, taken out, and kept as a layer.

tests/interop/test_docker_changes.py compares with docker.
"""

from __future__ import annotations

import io
import json
import os
import signal
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engine.containers import cgroup2, eventually
from tests.support.command import Minidock

# One of each: (what is done, what it counts as).
OPERATIONS: list[tuple[str, set[str]]] = [
    ("echo new > /new", {"A /new"}),
    ("mkdir -p /deep/er; touch /deep/er/f", {"A /deep", "A /deep/er", "A /deep/er/f"}),
    ("echo more >> /etc/motd", {"C /etc", "C /etc/motd"}),
    ("rm /etc/issue", {"C /etc", "D /etc/issue"}),
    ("rm -r /etc/apk", {"C /etc", "D /etc/apk"}),
    ("rm -r /etc/apk; mkdir /etc/apk; echo x > /etc/apk/world; echo y > /etc/apk/y",
     {"C /etc", "C /etc/apk", "C /etc/apk/world", "A /etc/apk/y", "D /etc/apk/arch", "D /etc/apk/keys",
      "D /etc/apk/protected_paths.d", "D /etc/apk/repositories"}),
    ("rm /etc/shells; mkdir -p /etc/shells/a", {"C /etc", "C /etc/shells", "A /etc/shells/a"}),
    ("chmod 700 /var/log", {"C /var", "C /var/log"}),
    ("chown nobody /etc/profile", {"C /etc", "C /etc/profile"}),
    ("ln -s x /link; mkfifo /pipe", {"A /link", "A /pipe"}),
    ("mv /etc/fstab /etc/fstab2", {"C /etc", "D /etc/fstab", "A /etc/fstab2"}),
    # What comes to the same is no change: copied up and written back, made and removed.
    ("touch -r /etc/passwd /etc/passwd; touch /tmp/x; rm /tmp/x; chmod 755 /usr", set()),
    # The files that every container gets are not its own.
    ("echo 1.2.3.4 x >> /etc/hosts; echo > /dev/shm/x", set()),
]  # fmt: skip


def diff(engine: Minidock, name: str) -> list[str]:
    done = engine("diff", name)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout.decode().splitlines()


@pytest.mark.parametrize(("script", "lines"), OPERATIONS, ids=[script for script, _ in OPERATIONS])
def test_diff(engine: Minidock, script: str, lines: set[str]) -> None:
    assert engine("run", "--name", "differs", "--network", "none", "alpine", "sh", "-ec", script).returncode == 0
    try:
        shown = diff(engine, "differs")
        assert set(shown) == lines
        assert shown == sorted(shown, key=lambda line: line[2:].split("/"))
    finally:
        engine("rm", "differs")


@pytest.fixture
def changed(engine: Minidock, tmp_path: Path) -> Iterator[str]:
    """A running container that has changed something, with a directory bound into it."""
    (tmp_path / "bound").write_text("the host's")
    script = (
        "echo kept > /kept; rm /etc/issue; rm -r /etc/apk; mkdir /etc/apk; echo w > /etc/apk/world; ln /kept /twin; "
        "chown 12:34 /kept; chmod 4755 /kept; touch /ready; "
        "i=0; while :; do i=$((i+1)); echo $i > /c; mv /c /counter; done"
    )
    done = engine("run", "-d", "--name", "changed", "--network", "none", "-e", "A=1", "-w", "/tmp", "-l", "x=y", "-v",
                  f"{tmp_path}:/data", "alpine", "sh", "-c", script)  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    eventually(lambda: engine("exec", "changed", "ls", "/ready").returncode == 0)
    yield "changed"
    engine("rm", "-f", "changed")


def test_of_one_that_runs(engine: Minidock, changed: str) -> None:
    assert {"A /data", "A /kept", "D /etc/issue", "C /etc/apk", "A /counter"} <= set(diff(engine, changed))
    assert engine("diff", "nobody").stderr == b"minidock: No such container: nobody\n"


def test_export_is_what_the_container_has_itself(engine: Minidock, changed: str, tmp_path: Path) -> None:
    assert engine("export", "-o", str(tmp_path / "all.tar"), changed).returncode == 0
    with tarfile.open(tmp_path / "all.tar") as tar:
        entries = {entry.name: entry for entry in tar}
        assert entries["kept"].uid == 12
        assert oct(entries["kept"].mode) == "0o4755"
        assert entries["twin"].islnk()
        assert tar.extractfile("etc/apk/world").read() == b"w\n"  # type: ignore[union-attr]
    assert not {"etc/issue", "data/bound", "proc/1", "dev/null"} & set(entries)
    assert {"bin/busybox", "data", "proc", "dev", "etc/os-release"} <= set(entries)
    # A stream is the same, and makes an image.
    done = engine("import", "-", "exported", input=engine("export", changed).stdout)
    assert done.returncode == 0
    shown = engine("run", "--rm", "--network", "none", "exported", "cat", "/kept")
    assert shown.stdout == b"kept\n"
    assert engine("rmi", "exported").returncode == 0


def commit(engine: Minidock, *words: str) -> dict[str, Any]:
    """`commit WORDS`: the new image's config."""
    done = engine("commit", *words)
    assert (done.returncode, done.stderr) == (0, b"")
    image_id = done.stdout.decode().strip()
    assert image_id.startswith("sha256:")
    blob = engine.root / "images/blobs" / image_id.replace(":", "/")
    config: dict[str, Any] = json.loads(blob.read_text())
    return config


def test_commit_makes_a_layer(engine: Minidock, changed: str) -> None:
    base = json.loads(engine("inspect", "--type", "image", "alpine").stdout)[0]
    config = commit(engine, "-a", "Jane <jane@example.org>", "-m", "for later", "-c", 'CMD ["cat", "/kept"]', "-c",
                    "ENV B=2", "-c", "LABEL z=1", changed, "kept:1")  # fmt: skip
    try:
        assert config["rootfs"]["diff_ids"][:-1] == base["RootFS"]["Layers"]
        assert config["author"] == "Jane <jane@example.org>"
        line = config["history"][-1]
        assert (line["author"], line["comment"]) == ("Jane <jane@example.org>", "for later")
        assert line["created_by"].startswith("sh -c echo kept > /kept; ")
        assert config["config"]["Cmd"] == ["cat", "/kept"]
        assert {"A=1", "B=2"} < set(config["config"]["Env"])
        assert config["config"]["Labels"] == {"x": "y", "z": "1"}
        assert config["config"]["WorkingDir"] == "/tmp"
        run = ("run", "--rm", "--network", "none", "kept:1")
        assert engine(*run).stdout == b"kept\n"
        look = "stat -c '%u:%g %a %h' /kept; ls -A /etc/apk /data; ls /etc/issue; pwd; echo $A$B"
        done = engine(*run, "sh", "-c", look)
        assert done.stdout == b"12:34 4755 2\n/data:\n\n/etc/apk:\nworld\n/tmp\n12\n"
    finally:
        engine("rmi", "-f", "kept:1")


def test_commit_keeps_how_health_is_checked(engine: Minidock) -> None:
    run = ("run", "--name", "checked", "--network", "none", "--health-cmd", "test -e /x", "--health-retries", "7")
    assert engine(*run, "alpine", "true").returncode == 0
    try:
        asked = {"Test": ["CMD-SHELL", "test -e /x"], "Retries": 7}
        assert commit(engine, "checked", "checks:1")["config"]["Healthcheck"] == asked
        config = commit(engine, "-c", 'HEALTHCHECK --interval=9s CMD ["true"]', "checked", "checks:2")
        assert config["config"]["Healthcheck"] == {"Test": ["CMD", "true"], "Interval": 9_000_000_000}
        assert engine("run", "-d", "--name", "works", "--network", "none", "checks:2", "sleep", "99").returncode == 0
        shown = json.loads(engine("inspect", "works").stdout)[0]
        assert shown["Config"]["Healthcheck"] == config["config"]["Healthcheck"]
        assert shown["State"]["Health"]["Status"] in ("starting", "healthy")
    finally:
        engine("rm", "-f", "checked", "works")
        engine("rmi", "-f", "checks:1", "checks:2")


def test_the_container_stands_still_meanwhile_and_then_goes_on(engine: Minidock, changed: str) -> None:
    config = commit(engine, changed, "still")
    assert config["history"][-1].get("comment") is None
    counter = engine("run", "--rm", "--network", "none", "still", "cat", "/counter").stdout
    assert counter.strip().isdigit()  # neither empty nor half
    assert eventually(lambda: int(engine("exec", changed, "cat", "/counter").stdout or 0) > int(counter))
    engine("rmi", "still")
    # One that is paused already stays so.
    engine("pause", changed)
    commit(engine, changed, "still")
    assert frozen(changed, engine)
    engine("unpause", changed)
    engine("rmi", "still")


def frozen(name: str, engine: Minidock) -> bool:
    container = engine("inspect", "--format", "{{.Id}}", name).stdout.decode().strip()
    return (cgroup2() / "minidock" / container / "cgroup.freeze").read_text() == "1\n"


def test_killed_while_it_stands_still_it_goes_on(engine: Minidock, changed: str) -> None:
    engine("exec", changed, "sh", "-c", "head -c 60m /dev/urandom > /big")
    process = engine.start("commit", changed, "interrupted")
    eventually(lambda: frozen(changed, engine) or process.poll() is not None)
    assert process.poll() is None
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    eventually(lambda: not frozen(changed, engine))
    assert b"interrupted" not in engine("images").stdout
    engine("image", "prune", "-f")


def test_without_a_change_there_is_no_layer(engine: Minidock) -> None:
    engine("run", "--name", "idle", "--network", "none", "alpine", "true")
    base = json.loads(engine("inspect", "--type", "image", "alpine").stdout)[0]
    config = commit(engine, "-p=false", "idle", "idle:1")
    assert config["rootfs"]["diff_ids"] == base["RootFS"]["Layers"]
    assert config["history"][-1]["empty_layer"] is True
    assert config["config"]["Cmd"] == ["true"]
    engine("rmi", "idle:1")
    # The same change at another time is the same layer.
    engine("run", "--name", "again", "--network", "none", "alpine", "touch", "-d", "2020-01-01", "/f")
    first = commit(engine, "again", "one")["rootfs"]
    time.sleep(0.01)
    assert commit(engine, "again", "two")["rootfs"] == first
    engine("rmi", "one", "two")
    engine("rm", "idle", "again")


def test_what_cannot_be_committed(engine: Minidock, changed: str) -> None:
    for words, why in (
        (("-c", "FROM x", changed), "FROM is not a valid change command"),
        ((changed, "Upper/Case"), "must be lowercase"),
        (("nobody",), "No such container: nobody"),
    ):
        done = engine("commit", *words)
        assert done.returncode == 1
        assert why in done.stderr.decode()
    assert not frozen(changed, engine)


def test_a_link_to_a_directory_goes_with_the_container(engine: Minidock) -> None:
    script = "mkdir -p /x/real; ln -s real /x/link; ln -s /x/link /x/real/loop"
    assert engine("run", "--name", "linked", "--network", "none", "alpine", "sh", "-c", script).returncode == 0
    assert engine("rm", "linked").returncode == 0
    names = os.listdir(engine.root / "containers")
    assert not [name for name in names if name.startswith(".removing")]


def test_tar_of_an_archive_is_what_tar_reads(engine: Minidock) -> None:
    engine("run", "--name", "odd", "--network", "none", "alpine", "sh", "-c", 'mkdir /odd; touch "/odd/a b" /odd/é')
    with tarfile.open(fileobj=io.BytesIO(engine("cp", "odd:/odd", "-").stdout)) as tar:
        assert tar.getnames() == ["odd", "odd/a b", "odd/é"]
    engine("rm", "odd")
