"""Nobody but root gets to what is kept on disk: what containers leave in volumes, what images hold."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.command import Minidock
from tests.support.machine import remove_default_network

_AS_NOBODY = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")


@pytest.fixture
def reachable(engine: Minidock) -> Iterator[Minidock]:
    """minidock with a new root and run directory, in a place where every user of the host can go."""
    place = Path(tempfile.mkdtemp(prefix="mdt-", dir="/run"))
    place.chmod(0o755)
    other = replace(engine, root=place / "state" / "root", run=place / "run")
    other.root.parent.mkdir()
    yield other
    other("network", "rm", "net")
    remove_default_network(str(other.root))
    shutil.rmtree(place)


def _fill(engine: Minidock, reachable: Minidock) -> None:
    archive = reachable.root.parent / "alpine.tar"
    assert engine("save", "-o", str(archive), "alpine").returncode == 0
    assert reachable("load", "-i", str(archive)).returncode == 0
    archive.unlink()
    script = "cp /bin/busybox /data/su; chown root /data/su; chmod 4755 /data/su"
    done = reachable("run", "--name", "one", "--network", "none", "-v", "vol:/data", "alpine", "sh", "-c", script)
    assert done.returncode == 0, done
    assert reachable("volume", "create", "other").returncode == 0
    assert reachable("network", "create", "net").returncode == 0


def _seen_by_nobody(path: Path) -> list[str]:
    """What a user of the host finds below `path`."""
    found = subprocess.run([*_AS_NOBODY, "find", path], capture_output=True, text=True, check=False)
    return [line for line in found.stdout.splitlines() if line != str(path)]


def _open_directories(root: Path) -> dict[str, str]:
    """The directories at the top that others get through or look into."""
    modes = {path: path.stat().st_mode for path in (root, *root.iterdir()) if path.is_dir()}
    return {str(path): oct(mode) for path, mode in modes.items() if mode & 0o007}


def test_no_user_of_the_host_gets_into_the_state(engine: Minidock, reachable: Minidock) -> None:
    _fill(engine, reachable)
    assert _seen_by_nobody(reachable.root) == []
    assert _open_directories(reachable.root) == {}
    program = reachable.root / "volumes" / "vol" / "_data" / "su"
    assert program.stat().st_mode & 0o4000
    done = subprocess.run([*_AS_NOBODY, "sh", "-c", 'exec "$0" id', program], capture_output=True, check=False)
    assert done.returncode == 126, done
    command = reachable.start("run", "-d", "--rm", "--network", "none", "--name", "up", "alpine", "sleep", "1000")
    assert command.wait(30) == 0
    assert _seen_by_nobody(reachable.run) == []
    assert reachable("rm", "-f", "up", "one").returncode == 0


def test_a_tree_that_was_made_open_is_closed_by_the_next_that_writes(engine: Minidock, reachable: Minidock) -> None:
    _fill(engine, reachable)
    os.chmod(reachable.root, 0o755)
    for path in reachable.root.iterdir():
        if path.is_dir():
            path.chmod(0o755)
    assert _seen_by_nobody(reachable.root)
    assert reachable("run", "--rm", "-v", "other:/data", "alpine", "true").returncode == 0
    assert _seen_by_nobody(reachable.root) == []
    assert _open_directories(reachable.root) == {}
    assert reachable("rm", "-f", "one").returncode == 0


def test_a_root_that_others_use_too_stays_open_and_what_is_ours_does_not(engine: Minidock, reachable: Minidock) -> None:
    (reachable.root / "volumes").mkdir(mode=0o755, parents=True)
    (reachable.root / "others").write_text("theirs")
    _fill(engine, reachable)
    assert _seen_by_nobody(reachable.root / "others") == []
    assert _open_directories(reachable.root).keys() == {str(reachable.root)}
    assert reachable("rm", "-f", "one").returncode == 0
