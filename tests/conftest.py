"""What every test gets: a place of its own, the program, and the promise that the place is left as it was found."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from minidock.network import network_store
from tests.support import isolation
from tests.support.command import Minidock
from tests.support.examples import Examples
from tests.support.isolation import Isolation
from tests.support.machine import Snapshot, detach_mounts, kept_links, left_since

KEPT = pytest.StashKey[Isolation]()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Isolate whoever will run tests: pytest itself or each of xdist's workers, not the one who hands tests out."""
    config = session.config
    hands_out = bool(config.getoption("tx", None))
    if isolation.wanted() and not hands_out and not config.option.collectonly:
        if os.geteuid():
            pytest.exit("minidock works on namespaces, mounts and networks: its tests need root", 1)
        config.stash[KEPT] = isolation.enter()


def pytest_unconfigure(config: pytest.Config) -> None:
    if KEPT in config.stash:
        config.stash[KEPT].leave()


@pytest.fixture(scope="session")
def outside(pytestconfig: pytest.Config) -> list[str]:
    """The beginning of a command line that is to reach the internet, as far as the machine does."""
    return pytestconfig.stash[KEPT].outside() if KEPT in pytestconfig.stash else []


@pytest.fixture(scope="session")
def basetemp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This session's directory for whatever tests keep on disk."""
    return tmp_path_factory.getbasetemp()


@pytest.fixture(autouse=True)
def machine_is_left_as_found(basetemp: Path) -> Iterator[None]:
    """Fail the test that leaves a mount, link, route, cgroup, process, ... behind, naming each."""
    before = Snapshot(basetemp)
    yield
    left = left_since(before)
    if left:
        detach_mounts(left)
        pytest.fail("left on the machine:\n" + "\n".join(f"  {' '.join(thing)}" for thing in left), pytrace=False)


@pytest.fixture(scope="session")
def minidock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Minidock]:
    """The program: `minidock("run", "--rm", "alpine", "true", input=b"", timeout=60)`.

    Its state belongs to this session alone. Sockets live below MINIDOCK_RUN, and a socket's path has
    108 bytes (unix(7)): hence the short directory.
    """
    run = Path(tempfile.mkdtemp(prefix="mdt-", dir="/run"))
    root = tmp_path_factory.mktemp("root")
    kept_links.add(network_store.default_interface(str(root)))
    yield Minidock(root=root, run=run)
    shutil.rmtree(run)


@pytest.fixture(scope="session")
def examples(outside: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Examples]:
    """What pages about examples/ need, in a root where no other test removes images."""
    run = Path(tempfile.mkdtemp(prefix="mdt-", dir="/run"))
    root = tmp_path_factory.mktemp("examples-root")
    kept_links.add(network_store.default_interface(str(root)))
    found = Examples(Minidock(root, run), outside)
    with found.online():
        found.run("create", "--network", "none", "--name", "first", "debian")
    found.run("rm", "first")
    yield found
    shutil.rmtree(run)
    shutil.rmtree(root)  # half a gigabyte that pytest would keep


@pytest.fixture(scope="session")
def alpine(minidock: Minidock, outside: list[str], basetemp: Path) -> None:
    """The alpine image. The first worker that needs it makes it for all, in the machine's network: it is downloaded."""
    shared = basetemp.parent if "PYTEST_XDIST_WORKER" in os.environ else basetemp
    archive = shared / "alpine.tar"
    with open(shared / "alpine.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not archive.exists():
            make = '"$@" create --name alpine --network none alpine && "$@" rm alpine && "$@" save -o'
            command = ["sh", "-c", f"{make} {archive}.part alpine", "sh", *minidock.program]
            done = subprocess.run([*outside, *command], env=minidock.environment, capture_output=True, check=False)
            assert done.returncode == 0, done.stderr.decode()
            os.rename(f"{archive}.part", archive)
    done = minidock("load", "-i", str(archive))
    assert done.returncode == 0, done.stderr.decode()


@pytest.fixture(scope="session")
def engine(minidock: Minidock, alpine: None) -> Minidock:
    """The program, with the alpine image there and the bridge network made."""
    done = minidock("run", "--rm", "alpine", "true")
    assert done.returncode == 0, done.stderr.decode()
    return minidock
