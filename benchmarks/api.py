"""Docker's client, with minidock's service behind it and with docker's daemon, in turns within one run."""

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
from pathlib import Path

from benchmarks import peers
from minidock.cli.format.listing import table

_CREATED = 100  # containers that `ps -a` lists
_MEGABYTES = 200
_LINE = "x" * 99


def measure(rounds: int) -> None:
    """Print both sides' times, and what the service takes of the memory."""
    minidock = [os.path.join(os.path.dirname(sys.executable), "minidock")]
    with ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="minidock-bench-"))
        base, service = stack.enter_context(_service(minidock, directory))
        sides = {"minidock": (base, "alpine")}
        if shutil.which("dockerd") and (daemon := stack.enter_context(peers.docker_daemon(directory))):
            tarball = os.path.join(directory, "alpine.tar")
            peers.root_file_system(minidock, tarball)
            peers.run([*daemon, "import", "-c", 'CMD ["/bin/sh"]', tarball, peers.IMAGE])
            sides["docker"] = (daemon, peers.IMAGE)
        rows = [(name, side, *(f"{number(values):.0f}" for number in (statistics.median, min, max)))
                for name in _WORK for side, values in _turns(name, sides, rounds).items()]  # fmt: skip
        print(table([("WHAT", "BY", "MEDIAN ms", "MIN", "MAX"), *rows]))
        print(f"the service's own memory (PSS): {_pss(service)} kB")


def _run(base: list[str], image: str) -> None:
    _quiet([*base, "run", "--rm", image, "true"])


def _list(base: list[str], _: str) -> None:
    _quiet([*base, "ps", "-a"])


def _input(base: list[str], image: str) -> None:
    size = f"{_MEGABYTES}M"
    feed = subprocess.Popen(["head", "-c", size, "/dev/zero"], stdout=subprocess.PIPE)
    _quiet([*base, "run", "--rm", "-i", "--network", "none", image, "cat"], feed.stdout)
    feed.wait()


def _logs(base: list[str], _: str) -> None:
    _quiet([*base, "logs", "bench-logs"])


# What is measured, by name.
_WORK = {
    "run --rm true": _run,
    f"ps -a of {_CREATED}": _list,
    f"{_MEGABYTES} MB through run -i cat": _input,
    f"{_MEGABYTES} MB of logs": _logs,
}


def _turns(name: str, sides: dict[str, tuple[list[str], str]], rounds: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {side: [] for side in sides}
    with ExitStack() as stack:
        for base, image in sides.values():
            if _WORK[name] is _list:
                stack.enter_context(_containers(base, image))
            elif _WORK[name] is _logs:
                stack.enter_context(_talker(base, image))
        for number in range((rounds if _WORK[name] in (_run, _list) else min(rounds, 3)) + 1):
            for side, (base, image) in sides.items():
                started = time.perf_counter()
                _WORK[name](base, image)
                if number:  # the first is to warm up
                    times[side].append((time.perf_counter() - started) * 1000)
    return times


@contextmanager
def _service(minidock: list[str], directory: str) -> Iterator[tuple[list[str], int]]:
    """(the client's command, the service's pid)."""
    path = Path(directory, "minidock.sock")
    service = subprocess.Popen([*minidock, "system", "service", "--socket", str(path), "--timeout", "0"])
    try:
        while not path.exists():
            time.sleep(0.05)
        peers.run([*minidock, "run", "--rm", "alpine", "true"])
        yield ["docker", "-H", f"unix://{path}"], service.pid
    finally:
        service.terminate()
        service.wait()


@contextmanager
def _containers(base: list[str], image: str) -> Iterator[None]:
    names = [f"bench-{number}" for number in range(_CREATED)]
    for name in names:
        peers.run([*base, "create", "--name", name, image, "true"])
    yield
    peers.run([*base, "rm", *names])


@contextmanager
def _talker(base: list[str], image: str) -> Iterator[None]:
    command = f"yes {_LINE} | head -c {_MEGABYTES}000000"
    _quiet([*base, "run", "--name", "bench-logs", "--network", "none", image, "sh", "-c", command])
    yield
    peers.run([*base, "rm", "bench-logs"])


def _quiet(command: list[str], stdin: object = subprocess.DEVNULL) -> None:
    subprocess.run(command, stdin=stdin, stdout=subprocess.DEVNULL, check=True)  # type: ignore[call-overload]


def _pss(pid: int) -> str:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return next(line.split()[1] for line in lines if line.startswith("Pss:"))
