"""Into a container that runs: `exec ... true` in Alpine, minidock beside the others, in turns within one run."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from benchmarks import peers
from minidock.cli.format.listing import table

NAME = f"bench-exec-{os.getpid()}"
IDLE = ["sleep", "1000"]


def measure(rounds: int) -> None:
    """Print everybody's times."""
    minidock = [os.path.join(os.path.dirname(sys.executable), "minidock")]
    with ExitStack() as stack:
        commands = {"minidock": stack.enter_context(_engine(minidock, "alpine"))}
        if shutil.which("runc"):
            commands["runc"] = stack.enter_context(_runc(minidock))
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="minidock-bench-"))
        if shutil.which("dockerd") and (base := stack.enter_context(peers.docker_daemon(directory))):
            tarball = os.path.join(directory, "alpine.tar")
            peers.root_file_system(minidock, tarball)
            peers.run([*base, "import", tarball, peers.IMAGE])
            commands["docker"] = stack.enter_context(_engine(base, peers.IMAGE))
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(rounds + 1):  # the first is to warm up
            for name, command in commands.items():
                started = time.perf_counter()
                subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
                times[name].append((time.perf_counter() - started) * 1000)
    rows = [(name, *(f"{number(values[1:]):.0f}" for number in (statistics.median, min, max)))
            for name, values in times.items()]  # fmt: skip
    print(table([("exec true", "MEDIAN ms", "MIN", "MAX"), *rows]))


@contextmanager
def _engine(base: list[str], image: str) -> Iterator[list[str]]:
    """A container that idles; gives the command that goes into it."""
    peers.run([*base, "run", "-d", "--network", "none", "--name", NAME, image, *IDLE])
    try:
        yield [*base, "exec", NAME, "true"]
    finally:
        peers.run([*base, "rm", "-f", NAME])


@contextmanager
def _runc(minidock: list[str]) -> Iterator[list[str]]:
    """The same under runc, from the bundle that minidock makes."""
    name = f"{NAME}-runc"
    peers.run([*minidock, "create", "--network", "none", "--name", name, "alpine", *IDLE])
    try:
        config = peers.run([*minidock, "inspect", "--format", "{{.OCIConfigPath}}", name]).strip()
        null = subprocess.DEVNULL  # not a pipe, which the container would keep open
        subprocess.run(["runc", "run", "-d", "-b", os.path.dirname(config), name], check=True, stdin=null, stdout=null,
                       stderr=null)  # fmt: skip
        try:
            yield ["runc", "exec", name, "true"]
        finally:
            peers.run(["runc", "delete", "-f", name])
    finally:
        peers.run([*minidock, "rm", "-f", name])
