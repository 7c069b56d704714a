"""Builds: minidock beside docker with BuildKit, docker's classic builder and buildah, in turns within one run.

BENCH_CASES and BENCH_BUILDERS take some of them: BENCH_CASES=cached,run BENCH_BUILDERS=minidock,BuildKit.
docker with BuildKit is the one that DOCKER_HOST names, by the client BENCH_DOCKER [docker]; the classic builder runs in
a daemon of its own. All build from the same files, with the same image as base.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers import IMAGE, docker_daemon, root_file_system, run
from minidock.cli.format.listing import table

FILES = 10_000
_SMALL = 1000  # bytes
_LARGE = 1 << 30
STEPS = 30


@dataclass(frozen=True)
class Builder:
    """`command` is followed by -f, a Dockerfile, and the context."""

    name: str
    command: list[str]
    environment: dict[str, str]
    base: str

    def build(self, context: Path, dockerfile: str) -> tuple[float, int]:
        """(seconds, the largest process's memory in bytes)."""
        file = context.parent / f"{context.name}.Dockerfile"
        file.write_text(dockerfile.replace("BASE", self.base))
        with open(context.parent / "log", "w+b") as log:
            began = time.perf_counter()
            process = subprocess.Popen(
                [*self.command, "-f", str(file), str(context)],
                env={**os.environ, **self.environment}, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            seconds = time.perf_counter() - began
            if process.returncode:
                log.seek(0)
                raise SystemExit(f"{self.name}: {log.read().decode(errors='replace')[-2000:]}")
        return seconds, usage.ru_maxrss * 1024


@dataclass(frozen=True)
class Case:
    """`prepare(directory, round)` gives the context and the Dockerfile of one round; it is not timed.

    `warm`: whether one build more comes before, which is not timed either. `mark`: at most so much of docker's time.
    """

    name: str
    prepare: Callable[[Path, int], tuple[Path, str]]
    mark: str
    rounds: int = 0
    warm: bool = True


def measure(rounds: int) -> None:
    """Print a table: everybody's medians, and ours as a part of docker's."""
    minidock = [os.path.join(os.path.dirname(sys.executable), "minidock")]
    wanted = os.environ.get("BENCH_CASES", "").split(",")
    with tempfile.TemporaryDirectory(prefix="minidock-bench-") as directory, builders(minidock, directory) as found:
        rows = []
        for case in _cases():
            if wanted == [""] or case.name.partition(":")[0] in wanted:
                rows += _race(case, found, min(rounds, case.rounds or rounds), Path(directory))
        print(table([("CASE", "", "MEDIAN s", "MIN", "MAX", "MB", "TO DOCKER", "MARK"), *rows]))


def _race(case: Case, found: list[Builder], rounds: int, directory: Path) -> list[tuple[str, ...]]:
    times: dict[str, list[float]] = {builder.name: [] for builder in found}
    memory = dict.fromkeys(times, 0)
    for number in range(-1 if case.warm else 0, rounds):
        for builder in found:
            place = directory / "contexts" / builder.name.replace(" ", "-") / case.name.partition(":")[0]
            place.mkdir(parents=True, exist_ok=True)
            context, dockerfile = case.prepare(place, number)
            seconds, peak = builder.build(context, dockerfile)
            if number >= 0:
                times[builder.name].append(seconds)
                memory[builder.name] = max(memory[builder.name], peak)
    shutil.rmtree(directory / "contexts")
    medians = {name: statistics.median(values) for name, values in times.items()}
    docker = medians.get("docker BuildKit")
    return [
        (
            case.name, name, f"{medians[name]:.2f}", f"{min(values):.2f}", f"{max(values):.2f}",
            f"{memory[name] / 1e6:.0f}", f"{medians[name] / docker:.2f} x" if docker else "",
            case.mark if name == "minidock" else "",
        )
        for name, values in times.items()
    ]  # fmt: skip


def _is_wanted(name: str) -> bool:
    chosen = os.environ.get("BENCH_BUILDERS", "")
    return not chosen or name in chosen.split(",")


@contextmanager
def builders(minidock: list[str], directory: str) -> Iterator[list[Builder]]:
    """Those that are here, each with the base image."""
    with ExitStack() as stack:
        tarball = os.path.join(directory, "alpine.tar")
        root_file_system(minidock, tarball)
        found = [Builder("minidock", [*minidock, "build", "-q"], {}, "alpine")]
        if os.environ.get("DOCKER_HOST"):
            docker = os.environ.get("BENCH_DOCKER", "docker")
            run([docker, "import", tarball, IMAGE])
            found.append(Builder("docker BuildKit", [docker, "build", "-q"], {"DOCKER_BUILDKIT": "1"}, IMAGE))
        if shutil.which("dockerd") and _is_wanted("classic"):
            base = stack.enter_context(docker_daemon(directory))
            if base:
                run([*base, "import", tarball, IMAGE])
                environment = {"DOCKER_BUILDKIT": "0"}
                found.append(Builder("docker classic", [*base, "build", "-q"], environment, IMAGE))
        if shutil.which("buildah") and _is_wanted("buildah"):
            root = ["buildah", "--root", f"{directory}/buildah", "--runroot", f"{directory}/buildah-run"]
            place = run([*root, "from", "scratch"]).strip()
            run([*root, "add", place, tarball])
            run([*root, "commit", "-q", place, IMAGE])
            words = ["bud", "-q", "--layers", "--isolation", "chroot"]
            found.append(Builder("buildah", [*root, *words], {}, IMAGE))
            stack.callback(subprocess.run, [*root, "rm", "-a"], capture_output=True, check=False)
        yield found


def _cases() -> list[Case]:
    return [
        Case("cached: 30 steps", _cached, "0.5 x"),
        Case("run: 30 RUN", _running, "0.6 x", rounds=5),
        Case("copy: 10,000 files", _copied, "1.0 x", rounds=5, warm=False),
        Case("changed: 1 of 10,000 files", _changed, "0.7 x"),
        Case("large: 1 GB", _large, "1.0 x", rounds=3, warm=False),
        Case("unused: 1 GB", _unused, "1.0 x", rounds=3),
        Case("stages: 2 of 5 s", _stages, "6 s", rounds=3, warm=False),
    ]


def _empty(place: Path) -> Path:
    context = place / "context"
    context.mkdir(exist_ok=True)
    return context


def _cached(place: Path, number: int) -> tuple[Path, str]:
    lines = [f"RUN echo {step} > /step{step}" for step in range(STEPS)]
    return _empty(place), "\n".join(["FROM BASE", *lines, ""])


def _running(place: Path, number: int) -> tuple[Path, str]:
    """Each round's lines are new ones."""
    lines = [f"RUN echo {number} {time.time_ns()} > /step{step}" for step in range(STEPS)]
    return _empty(place), "\n".join(["FROM BASE", *lines, ""])


def _files(context: Path, salt: str) -> None:
    for directory in range(100):
        (context / f"d{directory}").mkdir(parents=True)
        for file in range(FILES // 100):
            text = f"{salt} {directory} {file}\n"
            (context / f"d{directory}" / f"f{file}").write_text(text * (_SMALL // len(text)))


def _copied(place: Path, number: int) -> tuple[Path, str]:
    """A context that nobody has seen before."""
    context = place / f"context{number}"
    _files(context, f"{number} {time.time_ns()}")
    return context, "FROM BASE\nCOPY . /files\n"


def _changed(place: Path, number: int) -> tuple[Path, str]:
    context = place / "context"
    if not context.exists():
        _files(context, "same")
    (context / "d7" / "f7").write_text(f"changed {time.time_ns()}\n")
    return context, "FROM BASE\nCOPY . /files\n"


def _content(path: Path) -> None:
    """Bytes that cannot be made smaller, others each time."""
    piece = os.urandom(1 << 20)
    with open(path, "wb") as file:
        for index in range(_LARGE >> 20):
            file.write(index.to_bytes(4, "big") + piece[4:])


def _large(place: Path, number: int) -> tuple[Path, str]:
    context = _empty(place)
    _content(context / "large")
    return context, "FROM BASE\nCOPY large /large\n"


def _unused(place: Path, number: int) -> tuple[Path, str]:
    context = _empty(place)
    if not (context / "large").exists():
        _content(context / "large")
    (context / "small").write_text(f"{time.time_ns()}")
    return context, "FROM BASE\nCOPY small /small\n"


def _stages(place: Path, number: int) -> tuple[Path, str]:
    unique = time.time_ns()
    lines = [f"FROM BASE AS {name}\nRUN sleep 5; echo {unique} > /{name}\n" for name in ("one", "two")]
    return _empty(place), "".join([*lines, "FROM BASE\nCOPY --from=one /one /\nCOPY --from=two /two /\n"])
