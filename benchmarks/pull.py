"""A pull from a registry on this machine: the time until all layers are unpacked, and the most memory used.

The image is made of this machine's own /usr: real files in their real mix, at least 300 MB of gzip. Everything,
docker's daemon included, runs in a network namespace of its own, whose loopback is the only way to the registry.

All of it happens on a new ext4 in a sparse file, and nothing is deleted before the end: on a file system where files
were deleted in the last minutes, the search for free inodes takes longer than all the rest (kernel: fs/ext4/ialloc.c,
recently_deleted), and would be what is measured.
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
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from benchmarks import peers
from minidock.image import reference
from minidock.image.media_types import CONFIG_TYPE, LAYER_TYPE, MANIFEST_TYPE
from minidock.image.store import Store
from minidock.image.store_writer import Ingest

FILES = 24_000
LAYERS = 8
NAME = "127.0.0.1:5000/bench:1"
_INSIDE = "MINIDOCK_BENCHMARK_NAMESPACE"


@dataclass
class Puller:
    """One way to get the image: a row of the table."""

    name: str
    # From a directory that does not exist yet: the commands to run there, one after the other, and the process, if
    # any, whose memory counts. The directory is the puller's until the end of the block.
    ready: Callable[[str], AbstractContextManager[tuple[list[list[str]], int]]]


def measure(rounds: int) -> None:
    """Print the table."""
    if _INSIDE not in os.environ:
        words = ["unshare", "--net", "--mount", sys.executable, "-m", "benchmarks", "pull", "-n", str(rounds)]
        raise SystemExit(subprocess.run(words, env={**os.environ, _INSIDE: "1"}, check=False).returncode)
    peers.run(["ip", "link", "set", "lo", "up"])
    minidock = [os.path.join(os.path.dirname(sys.executable), "minidock")]
    with _new_file_system() as directory, _registry(directory):
        print(_publish(directory, minidock))
        results: dict[str, list[tuple[float, float]]] = {}
        for number in range(rounds):
            for puller in _pullers(minidock):
                place = f"{directory}/{puller.name}-{number}"
                results.setdefault(puller.name, []).append(_once(puller, place))
        _table(results)


def _table(results: dict[str, list[tuple[float, float]]]) -> None:
    base = statistics.median(seconds for seconds, _ in results.get("docker") or results["minidock"])
    print(f"{'':14}{'median s':>10}{'best':>8}{'worst':>8}{'ratio':>8}{'peak MB':>10}")
    for name, rows in results.items():
        times = [seconds for seconds, _ in rows]
        middle, peak = statistics.median(times), max(memory for _, memory in rows)
        print(f"{name:14}{middle:10.2f}{min(times):8.2f}{max(times):8.2f}{middle / base:8.2f}{peak:10.0f}")


def _once(puller: Puller, place: str) -> tuple[float, float]:
    """Seconds and megabytes of one pull. What was written before is on disk by then."""
    with puller.ready(place) as (commands, daemon):
        os.sync()
        peak, started = 0.0, time.perf_counter()
        for command in commands:
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            if child.returncode:
                raise SystemExit(f"{' '.join(command)}: exit {child.returncode}")
            peak = max(peak, usage.ru_maxrss / 1000)
        seconds = time.perf_counter() - started
        if daemon:
            with open(f"/proc/{daemon}/status") as file:
                peak = next(int(line.split()[1]) / 1000 for line in file if line.startswith("VmHWM"))
    return seconds, peak


@contextmanager
def _new_file_system() -> Iterator[str]:
    """An empty directory with nothing but holes below it; the mount namespace is ours alone."""
    with tempfile.TemporaryDirectory(prefix="minidock-bench-") as above:
        with open(f"{above}/disk", "wb") as file:
            file.truncate(64 << 30)
        peers.run(["mkfs.ext4", "-q", f"{above}/disk"])
        directory = f"{above}/mounted"
        os.mkdir(directory)
        peers.run(["mount", "-o", "loop", f"{above}/disk", directory])
        try:
            yield directory
        finally:
            peers.run(["umount", "-l", directory])


@contextmanager
def _registry(directory: str) -> Iterator[None]:
    config = {
        "version": 0.1,
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": f"{directory}/registry"}},
        "http": {"addr": "127.0.0.1:5000"},
    }
    path = f"{directory}/registry.yml"
    with open(path, "w") as file:
        json.dump(config, file)  # JSON is YAML
    server = subprocess.Popen(["docker-registry", "serve", path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        server.terminate()
        server.wait()


def _publish(directory: str, minidock: list[str]) -> str:
    """Make the image and push it; returns a line about it."""
    store = Store(f"{directory}/source")
    parts = _files()
    with Ingest(store) as ingest:
        made = []
        for part in parts:
            with open(f"{directory}/files", "wb") as names:
                names.write(b"\0".join(os.fsencode(path.lstrip("/")) for path in _with_directories(part)))
            command = ["tar", "-C", "/", "--no-recursion", "--null", "-T", names.name, "-cz"]
            with subprocess.Popen(command, stdout=subprocess.PIPE) as tar:
                assert tar.stdout
                made.append(ingest.put_layer(tar.stdout))
        config = {
            "architecture": "amd64",
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [diff_id for diff_id, _, _ in made]},
        }
        text = json.dumps(config).encode()
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": {"mediaType": CONFIG_TYPE, "digest": ingest.put_bytes(text), "size": len(text)},
            "layers": [{"mediaType": LAYER_TYPE, "digest": digest, "size": size} for _, digest, size in made],
        }
        image = ingest.add_manifest(reference.parse(NAME), json.dumps(manifest).encode(), MANIFEST_TYPE)
    started = time.perf_counter()
    peers.run([*minidock, "--root", store.root, "push", NAME])
    seconds = time.perf_counter() - started
    packed = sum(size for _, _, size in made)
    files = sum(len(part) for part in parts)
    unpacked = image.size
    return (
        f"{len(made)} layers, {files} files, {packed / 1e6:.0f} MB packed, {unpacked / 1e6:.0f} MB unpacked;"
        f" pushed by minidock in {seconds:.1f} s"
    )


def _files() -> list[list[str]]:
    """Some of /usr's files, evenly taken, in parts of about the same number of bytes."""
    paths = sorted(
        os.path.join(above, name)
        for above, _, names in os.walk("/usr")
        for name in names
        if os.path.isfile(os.path.join(above, name)) and not os.path.islink(os.path.join(above, name))
    )
    paths = paths[:: max(1, len(paths) // FILES)]
    share = sum(os.path.getsize(path) for path in paths) / LAYERS + 1
    parts: list[list[str]] = [[] for _ in range(LAYERS)]
    total = 0
    for path in paths:
        parts[int(total // share)].append(path)
        total += os.path.getsize(path)
    return [part for part in parts if part]


def _with_directories(paths: list[str]) -> list[str]:
    """The paths, each directory before what is in it, as in any layer."""
    found: dict[str, None] = {}
    for path in paths:
        parts = path.split("/")
        found.update(dict.fromkeys("/".join(parts[:end]) for end in range(2, len(parts) + 1)))
    return list(found)


def _pullers(minidock: list[str]) -> Iterator[Puller]:
    """All that are installed."""

    @contextmanager
    def ours(place: str) -> Iterator[tuple[list[list[str]], int]]:
        yield [[*minidock, "--root", place, "pull", "-q", NAME]], 0

    @contextmanager
    def podman(place: str) -> Iterator[tuple[list[list[str]], int]]:
        words = ["podman", "--root", place, "--runroot", f"{place}.run", "pull", "-q", "--tls-verify=false", NAME]
        yield [words], 0
        subprocess.run(f"umount -l {place}/overlay", shell=True, capture_output=True, check=False)

    @contextmanager
    def skopeo(place: str) -> Iterator[tuple[list[list[str]], int]]:
        layout = f"{place}.layout"
        copy = ["skopeo", "copy", "-q", "--src-tls-verify=false", f"docker://{NAME}", f"oci:{layout}:1"]
        yield [copy, ["umoci", "--log", "error", "unpack", "--image", f"{layout}:1", place]], 0

    yield Puller("minidock", ours)
    if shutil.which("dockerd"):
        yield Puller("docker", _docker)
    if shutil.which("podman"):
        yield Puller("podman", podman)
    if shutil.which("skopeo") and shutil.which("umoci"):
        yield Puller("skopeo, umoci", skopeo)


@contextmanager
def _docker(place: str) -> Iterator[tuple[list[list[str]], int]]:
    """A docker daemon in this network namespace."""
    socket = f"unix://{place}.sock"
    words = ["dockerd", "-H", socket, "--data-root", place, "--exec-root", f"{place}.exec", "--pidfile",
             f"{place}.pid", "--storage-driver", "overlay2"]  # fmt: skip
    daemon = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    client = ["docker", "-H", socket]
    try:
        for _ in range(150):
            if subprocess.run([*client, "version"], capture_output=True, check=False).returncode == 0:
                break
            time.sleep(0.2)
        else:
            raise SystemExit("docker's daemon does not start here")
        yield [[*client, "pull", "-q", NAME]], daemon.pid
    finally:
        daemon.terminate()
        daemon.wait()
