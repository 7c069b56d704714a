"""The service for one command alone: on a socket that nobody else can reach, for as long as the command runs."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import prctl

from minidock.api import listening
from minidock.api.service import Service
from minidock.engine.state_paths import Paths, run_directory


@contextmanager
def served(paths: Paths) -> Iterator[str]:
    """The address of the socket, for DOCKER_HOST. It ends with the `with` block, at the latest with this process."""
    os.makedirs(run_directory(), mode=0o711, exist_ok=True)
    directory = tempfile.mkdtemp(prefix="client-", dir=run_directory())
    path = os.path.join(directory, "docker.sock")
    try:
        with listening.at(path) as listener:
            child = os.fork()
            if child == 0:
                try:
                    os.setsid()  # what is typed in the terminal is for the command
                    prctl.set_pdeathsig(signal.SIGTERM)
                    Service(paths, [listener], 0).run()
                finally:
                    os._exit(0)
            try:
                yield f"unix://{path}"
            finally:
                os.kill(child, signal.SIGTERM)
                os.waitpid(child, 0)
    finally:
        with suppress(OSError):
            shutil.rmtree(directory)
