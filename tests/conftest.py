"""What every test gets: the program, and the promise that the machine is left as it was found."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from minidock.network import store
from tests.support.command import Minidock
from tests.support.machine import Session, Snapshot, detach_mounts, kept_links, left_since, remove_default_network


@pytest.fixture(scope="session")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """Tells this session's processes from those of others on the machine."""
    return Session(tmp_path_factory.getbasetemp())


@pytest.fixture(autouse=True)
def machine_is_left_as_found(session: Session) -> Iterator[None]:
    """Fail the test that leaves a mount, link, route, cgroup, process, ... behind, naming each."""
    before = Snapshot()
    yield
    left = left_since(before, session)
    if left:
        detach_mounts(left, session)
        pytest.fail(
            "left on the machine:\n" + "\n".join(f"  {' '.join(thing)}" for thing in left), pytrace=False
        )


@pytest.fixture(scope="session")
def minidock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Minidock]:
    """The program: `minidock("run", "--rm", "alpine", "true", input=b"", timeout=60)`.

    Its state belongs to this session alone. Sockets live below MINIDOCK_RUN, and a socket's path has
    108 bytes (unix(7)): hence the short directory.
    """
    run = Path(tempfile.mkdtemp(prefix="mdt-", dir="/run"))
    root = tmp_path_factory.mktemp("root")
    kept_links.add(store.default_interface(str(root)))
    yield Minidock(root=root, run=run)
    remove_default_network(str(root))
    shutil.rmtree(run)


@pytest.fixture(scope="session")
def engine(minidock: Minidock) -> Minidock:
    """The program, with the alpine image there and the bridge network made."""
    done = minidock("run", "--rm", "alpine", "true", timeout=250)
    assert done.returncode == 0, done.stderr.decode()
    return minidock
