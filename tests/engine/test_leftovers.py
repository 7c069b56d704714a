"""What a writer leaves that was killed between making a file and renaming it: gone with the next that writes there."""

import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command import Minidock

DEAD = 4_194_304  # above every process id (proc(5), pid_max)
RUN = Path("/run/minidock")

# Where files are replaced as a whole, below the root; and the command after which nobody's remains are there.
PLACES = {
    "{root}/containers/{id}/container.json": "start {id}",
    "{root}/containers/{id}/bundle/config.json": "start {id}",
    "{root}/containers/{id}/hosts": "start {id}",
    "{root}/networks/{network}.json": "start {id}",
    "{root}/networks/{network}.leases.json": "start {id}",
    "{root}/images/index.json": "tag alpine alpine:other",
    "{root}/cache/seccomp-00000000.bpf": "run --rm --network none alpine true",
    "{run}/filter-4711.json": "start {id}",
    "{directory}/saved.tar": "save -o {directory}/saved.tar alpine",
    "{directory}/config.json": "logout nowhere.invalid",
}


@pytest.fixture
def made(engine: Minidock) -> Iterator[dict[str, str]]:
    """A stopped container on the default network, and what it takes to find its files."""
    done = engine("create", "--name", "left", "alpine", "true")
    container = done.stdout.decode().strip()
    network = json.loads(engine("network", "inspect", "bridge").stdout)[0]["Id"]
    engine("start", "-a", "left")
    yield {"id": container, "network": network, "root": str(engine.root), "run": str(RUN)}
    engine("rm", "-f", "left")
    engine("rmi", "alpine:other")


@pytest.mark.parametrize("place", PLACES)
def test_what_a_killed_writer_left_is_swept(engine: Minidock, made: dict[str, str], tmp_path: Path, place: str) -> None:
    made["directory"] = str(tmp_path)
    file = Path(place.format(**made))
    dead, alive = (file.with_name(f"{file.name}.{DEAD + number}.tmp") for number in range(2))
    others = file.with_name("notes.tmp")
    for cached in file.parent.glob("seccomp-*.bpf"):  # whatever other tests have had compiled: one is written again
        cached.unlink()
    for path in (dead, alive, others):
        path.write_text("half")
    try:
        with alive.open() as held:
            fcntl.flock(held, fcntl.LOCK_EX)  # what its writer has as long as it lives
            if "logout" in PLACES[place]:
                _log_out(engine, tmp_path)
            else:
                done = engine(*PLACES[place].format(**made).split())
                assert done.returncode == 0, done.stderr
                engine("wait", made["id"])
            assert (dead.exists(), alive.exists(), others.exists()) == (False, True, True)
    finally:
        for path in (dead, alive, others):
            path.unlink(missing_ok=True)


def _log_out(engine: Minidock, directory: Path) -> None:
    """Have the credentials' file written, which needs no registry."""
    (directory / "config.json").write_text(json.dumps({"auths": {"nowhere.invalid": {"auth": "bWU6c2VjcmV0"}}}))
    done = engine("logout", "nowhere.invalid", env={"DOCKER_CONFIG": str(directory), "HOME": os.fspath(directory)})
    assert done.returncode == 0, done.stderr
    assert json.loads((directory / "config.json").read_text()) == {"auths": {}}
