"""State on other file systems than ext4: everything can be made there, and removed again."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.engine.disks import on_disk
from tests.support.command import Minidock

# Directories in directories, and many of them: what is removed is moved about while it is listed.
_MANY = "for n in $(seq 20); do mkdir -p /data/$n/a/b/c /$n/a/b/c; touch /data/$n/a/b/f /$n/a/f; done"


@pytest.mark.parametrize("kind", ["btrfs", "xfs", "tmpfs", "ext4"])
def test_what_was_made_there_can_be_removed(engine: Minidock, tmp_path: Path, kind: str) -> None:
    done = on_disk(
        engine,
        tmp_path,
        f"""
        minidock run --name one --network none -v many:/data alpine sh -c '{_MANY}' && echo ran
        minidock commit one copy >/dev/null && minidock rm one && minidock volume rm many
        minidock rmi copy >/dev/null && echo removed
        ls "$MINIDOCK_ROOT/containers"; ls -A "$MINIDOCK_ROOT/volumes"; ls -A "$MINIDOCK_ROOT/tmp" """,
        kind,
    )
    assert done.stdout == "ran\none\nmany\nremoved\n.lock\n", done
    assert done.stderr == ""


@pytest.mark.parametrize(("call", "is_done"), [(1, False), (2, True)], ids=["the file", "the directory"])
def test_a_disk_that_fails_is_told_unless_it_is_done(engine: Minidock, call: int, is_done: bool) -> None:
    """strace(1) lets one fsync(2) fail: of the new file, or of the directory after the rename, which is no failure."""
    strace = ["strace", "-f", "-o", os.devnull, "-e", "trace=fsync", "-e", f"inject=fsync:error=EIO:when={call}"]
    words = [*strace, *engine.program, "tag", "alpine", "retagged"]
    done = subprocess.run(words, env=engine.environment, capture_output=True, text=True, check=False)
    assert (done.returncode == 0, engine("inspect", "retagged").returncode == 0) == (is_done, is_done)
    assert done.stderr == ("" if is_done else f"minidock: {engine.root}/images/index.json: Input/output error\n")
    engine("rmi", "retagged")


@pytest.mark.parametrize("command", ["import", "commit"])
def test_what_is_done_is_done_though_its_workspace_stays(engine: Minidock, tmp_path: Path, command: str) -> None:
    """Nothing can be unlinked, so the workspace stays, for the next command to remove; the image is there all the same.

    `pull` and `load` end by the same code.
    """
    (tmp_path / "content.tar").write_bytes(bytes(10240))
    assert engine("create", "--name", "box", "--network", "none", "alpine", "true").returncode == 0
    words = {"import": ("import", str(tmp_path / "content.tar")), "commit": ("commit", "box")}[command]
    strace = ["strace", "-f", "-o", os.devnull, "-e", "trace=unlinkat", "-e", "inject=unlinkat:error=EIO"]
    try:
        done = subprocess.run([*strace, *engine.program, *words, "made:1"], env=engine.environment, capture_output=True,
                              text=True, check=False)  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        assert any((engine.root / "tmp").iterdir())  # it was a failure
        assert engine("inspect", "-f", "{{.Id}}", "made:1").stdout.decode() == done.stdout
    finally:
        engine("rm", "box")
        engine("rmi", "made:1")
    engine("image", "prune", "-f")
    assert not any((engine.root / "tmp").iterdir())


def test_a_root_on_overlay_is_refused_where_it_would_be_mounted(engine: Minidock, tmp_path: Path) -> None:
    done = on_disk(
        engine,
        tmp_path,
        """
        minidock create --name one --network none alpine true >/dev/null && echo made
        minidock start one; echo code=$?; minidock run --rm --network none alpine true; echo code=$?
        minidock rm one""",
        "overlay",
    )
    assert done.stdout == "made\ncode=1\ncode=125\none\n", done
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    for line in lines:
        assert f"{tmp_path}/root/" in line
        assert "type overlay" in line
        assert "--root" in line
