"""Other people's programs that minidock is compared with, ready to use."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from benchmarks import peers
from tests.support.command import Minidock


@pytest.fixture(scope="session")
def docker(minidock: Minidock, alpine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """The client of a docker daemon that has minidock's Alpine as `alpine`."""
    directory = tmp_path_factory.mktemp("docker")
    tarball = directory / "alpine.tar"
    with tarball.open("wb") as file:
        tar = ["tar", "-c", "-f", "-", "-C", "/", "bin", "etc", "home", "lib", "root", "sbin", "tmp", "usr", "var"]
        command = [*minidock.program, "run", "--rm", "--network", "none", "alpine", *tar]
        subprocess.run(command, stdout=file, env=minidock.environment, check=True)
    with peers.docker_daemon(str(directory)) as base:
        assert base, "dockerd does not start"
        peers.run([*base, "import", "-c", 'CMD ["/bin/sh"]', str(tarball), "alpine"])
        yield base
