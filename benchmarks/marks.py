"""What a person types, beside docker and runc: the ratio of minidock's time to theirs, command by command.

    python -m benchmarks marks -n 10 --docker unix:///run/docker26.sock

Everybody does each command once a round, so that a slow moment of the machine hits all alike. The installed dockerd is
started for this; `--docker` names others that run already. Times are those of the command, from its start to its end;
processor time is that of the command and of what it has started and waited for.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack

from benchmarks import peers
from minidock.cli.format.listing import table
from minidock.named_tuple import NamedTuple

MANY = 200  # containers that are inspected at once
CROWD = 500  # containers that are there while others are listed


class Engine(NamedTuple):
    """One engine: how it is called in the table, and the words that its commands begin with."""

    name: str
    words: list[str]
    image: str


class Row(NamedTuple):
    """One command: its words, what has to be done before each time, and after it."""

    title: str
    words: list[str]
    before: tuple[list[str], ...] = ()
    after: tuple[list[str], ...] = ()


ROWS = [
    Row("run --rm --network none", ["run", "--rm", "--network", "none", "IMAGE", "true"]),
    Row("run --rm", ["run", "--rm", "IMAGE", "true"]),
    Row("exec", ["exec", "bench-up", "true"]),
    Row("create", ["create", "--name", "bench-new", "IMAGE", "true"], after=(["rm", "bench-new"],)),
    Row("rm", ["rm", "bench-new"], before=(["create", "--name", "bench-new", "IMAGE", "true"],)),
    Row("rm -f", ["rm", "-f", "bench-new"], before=(["run", "-d", "--name", "bench-new", "IMAGE", "sleep", "99"],)),
    Row("stop", ["stop", "bench-new"], before=(["run", "-d", "--init", "--name", "bench-new", "IMAGE", "sleep", "99"],),
        after=(["rm", "bench-new"],)),
    Row("ps", ["ps"]),
    Row("images", ["images"]),
    Row("inspect", ["inspect", "bench-up"]),
    Row("logs", ["logs", "bench-up"]),
    Row("version", ["version"]),
    Row("--help", ["--help"]),
    Row("run --help", ["run", "--help"]),
]  # fmt: skip


def measure(rounds: int, dockers: tuple[str, ...] = ()) -> None:
    """Print the tables: each command beside each docker, starts beside runc, and what grows with containers."""
    own = os.path.join(os.path.dirname(sys.executable), "minidock")
    with ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="minidock-bench-"))
        minidock = Engine("minidock", [own], "alpine")
        tarball = f"{directory}/alpine.tar"
        peers.root_file_system(minidock.words, tarball)
        installed = stack.enter_context(peers.docker_daemon(directory))
        bases = [*([installed] if installed else []), *(["docker", "-H", host] for host in dockers)]
        engines = [minidock, *(_docker(base, tarball) for base in bases)]
        for engine in engines:
            _call(engine, ["rm", "-f", "bench-up"], check=False)
            _call(engine, ["run", "-d", "--name", "bench-up", engine.image, "sleep", "100000"])
            stack.callback(_call, engine, ["rm", "-f", "bench-up"])
        machine = f"Linux {os.uname().release}, {os.cpu_count()} processors, Python {sys.version.split()[0]}"
        print(f"{machine}, medians of {rounds}")
        header = ("COMMAND", "minidock ms", "CPU ms", *(engine.name for engine in engines[1:]))
        print(table([header, *(_race(row, engines, rounds) for row in ROWS)]))
        print(table([("START", "minidock ms", "RATIO"), *_beside_runc(minidock, directory, tarball, rounds)]))
        print(table([("CONTAINERS", "ps CPU ms", f"inspect of {MANY} CPU ms"), *_grown(minidock, rounds)]))


def _docker(base: list[str], tarball: str) -> Engine:
    version = peers.run([*base, "version", "-f", "{{.Server.Version}}"]).strip()
    peers.run([*base, "import", tarball, peers.IMAGE])
    return Engine(f"docker {version}", base, peers.IMAGE)


def _call(engine: Engine, words: list[str], *, check: bool = True) -> None:
    command = [*engine.words, *(engine.image if word == "IMAGE" else word for word in words)]
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=check)


def _timed(engine: Engine, words: list[str]) -> tuple[float, float]:
    """Milliseconds that a command takes, and of processor time."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    _call(engine, words)
    took, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return took * 1000, (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000


def _race(row: Row, engines: list[Engine], rounds: int) -> tuple[str, ...]:
    times: dict[str, list[tuple[float, float]]] = {engine.name: [] for engine in engines}
    for _ in range(rounds + 1):  # the first is to warm up
        for engine in engines:
            for words in row.before:
                _call(engine, words)
            times[engine.name].append(_timed(engine, row.words))
            for words in row.after:
                _call(engine, words)
    wall = {name: statistics.median(took for took, _ in values[1:]) for name, values in times.items()}
    used = statistics.median(spent for _, spent in times["minidock"][1:])
    ratios = (f"{wall['minidock'] / wall[engine.name]:.2f} ({wall[engine.name]:.0f} ms)" for engine in engines[1:])
    return row.title, f"{wall['minidock']:.0f}", f"{used:.0f}", *ratios


def _beside_runc(minidock: Engine, directory: str, tarball: str, rounds: int) -> list[tuple[str, ...]]:
    """`run` without a network beside runc with the same bundle, and with what `runc spec` writes."""
    rows = []
    with peers.bundle(minidock.words) as made:
        plain = f"{directory}/plain"
        os.makedirs(f"{plain}/rootfs")
        peers.run(["tar", "-xf", tarball, "-C", f"{plain}/rootfs"])
        peers.run(["runc", "spec", "-b", plain])
        with open(f"{plain}/config.json", encoding="utf-8") as file:
            spec = json.load(file)
        spec["process"] |= {"terminal": False, "args": ["true"]}
        with open(f"{plain}/config.json", "w", encoding="utf-8") as file:
            json.dump(spec, file)
        for title, bundle in (("the same bundle", made), ("a plain spec", plain)):
            runc = Engine(title, ["runc", "run", "-b", bundle], "")
            ours: list[float] = []
            theirs: list[float] = []
            for number in range(rounds + 1):
                ours.append(_timed(minidock, ROWS[0].words)[0])
                theirs.append(_timed(runc, [f"bench-{number}"])[0])
            mine, other = statistics.median(ours[1:]), statistics.median(theirs[1:])
            rows.append((f"beside runc with {title}", f"{mine:.0f}", f"{mine / other:.2f} ({other:.0f} ms)"))
    return rows


def _grown(minidock: Engine, rounds: int) -> list[tuple[str, ...]]:
    """What lists containers, with few and with many of them."""
    rows, names = [], [f"bench-{number}" for number in range(CROWD)]
    for there in (0, CROWD):
        for name in names[:there]:
            _call(minidock, ["create", "--name", name, "IMAGE", "true"])
        some = names[:there][:MANY]
        listed = statistics.median(_timed(minidock, ["ps", "-a"])[1] for _ in range(rounds))
        shown = [_timed(minidock, ["inspect", *some])[1] for _ in range(rounds)] if some else []
        rows.append((str(there), f"{listed:.0f}", f"{statistics.median(shown):.0f}" if shown else ""))
    _call(minidock, ["rm", "-f", *names])
    return rows
