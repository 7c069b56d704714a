"""The runtime's own command line beside runc: the same bundles, in turns within one run; ratios of medians.

The marks of issue 13: create, start and delete of `true` at most 1.5 times runc's; `docker run` at most 1.15 times the
same with runc; `state` at most 20 ms over a bare python; no process of ours beside 50 containers.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks import peers
from minidock.cli.format.listing import table

HELD = 50  # containers
_QUIET = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
Action = Callable[[], None]


def measure(rounds: int) -> None:
    """Print everybody's times, and how many of ours stay."""
    here = os.path.dirname(sys.executable)
    ours, minidock = os.path.join(here, "minidock-oci"), [os.path.join(here, "minidock")]
    with ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="minidock-bench-"))
        runtimes = {
            "minidock-oci": [ours, "--root", f"{directory}/ours"],
            "runc": ["runc", "--root", f"{directory}/runc"],
        }
        plain = _plain_bundle(directory)
        docker = stack.enter_context(_docker(minidock, directory, ours))
        _compare("create, start, delete of `true`", {
            name: (lambda base=base: _life(base, plain)) for name, base in runtimes.items()}, rounds)  # fmt: skip
        with peers.bundle(minidock) as whole:
            _compare("the same, with layers, a filter and limits of docker's", {
                name: (lambda base=base: _life(base, whole)) for name, base in runtimes.items()}, rounds)  # fmt: skip
        if docker:
            _compare("docker run --rm --network none, of `true`", {
                name: (lambda runtime=runtime: _run([*docker, "run", "--rm", "--runtime", runtime, "--network", "none",
                                                     peers.IMAGE, "true"]))
                for name, runtime in (("minidock-oci", "minidock"), ("runc", "runc"))}, rounds)  # fmt: skip
        _compare("state", {
            "minidock-oci": lambda: _run([*runtimes["minidock-oci"], "state", "held"]),
            "bare python": lambda: _run([sys.executable, "-c", "0"]),
            "runc": lambda: _run([*runtimes["runc"], "state", "held"])}, rounds, before=lambda: [
                _run([*base, "create", "-b", plain, "held"]) for base in runtimes.values()], after=lambda: [
                _run([*base, "delete", "-f", "held"]) for base in runtimes.values()])  # fmt: skip
        print(f"\nprocesses of minidock's beside {HELD} containers: {_held(runtimes['minidock-oci'], plain)}")


def _compare(
    title: str, actions: dict[str, Action], rounds: int, before: Callable[[], object] | None = None,
    after: Callable[[], object] | None = None,
) -> None:  # fmt: skip
    """The actions in turns; the first turn is to warm up. Each is compared with the last one."""
    if before:
        before()
    times: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(rounds + 1):
        for name, action in actions.items():
            started = time.perf_counter()
            action()
            times[name].append((time.perf_counter() - started) * 1000)
    if after:
        after()
    middle = {name: statistics.median(values[1:]) for name, values in times.items()}
    first = middle[next(iter(actions))]
    print(f"\n{title}")
    print(table([("", "MEDIAN ms", "MIN", "OURS IS"), *(
        (name, f"{middle[name]:.0f}", f"{min(values[1:]):.0f}",
         "" if middle[name] == first else f"{first / middle[name]:.2f} x, {first - middle[name]:+.0f} ms")
        for name, values in times.items())]))  # fmt: skip


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, **_QUIET)  # type: ignore[call-overload]


def _life(base: list[str], bundle: str) -> None:
    name = f"bench-{os.getpid()}"
    _run([*base, "create", "-b", bundle, name])
    _run([*base, "start", name])
    _run([*base, "delete", "-f", name])


def _plain_bundle(directory: str) -> str:
    """What `runc spec` writes, with a static busybox."""
    root = Path(directory, "bundle/rootfs/bin")
    root.mkdir(parents=True)
    shutil.copy("/bin/busybox", root / "true")
    subprocess.run(["runc", "spec", "-b", f"{directory}/bundle"], check=True)
    path = Path(directory, "bundle/config.json")
    config = json.loads(path.read_text())
    config["process"] |= {"terminal": False, "args": ["true"]}
    path.write_text(json.dumps(config))
    return f"{directory}/bundle"


@contextmanager
def _docker(minidock: list[str], directory: str, ours: str) -> Iterator[list[str]]:
    """A daemon that has both runtimes, and the image; [] where there is none."""
    if not shutil.which("dockerd"):
        yield []
        return
    with peers.docker_daemon(directory, options=("--add-runtime", f"minidock={ours}")) as base:
        if base:
            tarball = os.path.join(directory, "alpine.tar")
            peers.root_file_system(minidock, tarball)
            peers.run([*base, "import", tarball, peers.IMAGE])
        yield base


def _held(base: list[str], bundle: str) -> int:
    """How many processes of the runtime `base` there are while its containers run."""
    path = Path(bundle, "config.json")
    kept = path.read_text()
    config = json.loads(kept)
    config["process"]["args"] = ["sleep", "1000"]
    os.symlink("true", f"{bundle}/rootfs/bin/sleep")
    path.write_text(json.dumps(config))
    names = [f"held-{number}" for number in range(HELD)]
    try:
        for name in names:
            _run([*base, "run", "-d", "-b", bundle, name])
        lines = [file.read_bytes() for file in Path("/proc").glob("[0-9]*/cmdline") if file.exists()]
        return sum(base[-1].encode() in line for line in lines)  # its --root
    finally:
        for name in names:
            subprocess.run([*base, "delete", "-f", name], check=False, **_QUIET)  # type: ignore[call-overload]
        path.write_text(kept)
