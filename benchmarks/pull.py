"""A pull from a registry on this machine: the time until all layers are unpacked, and the most memory used.

The image is made of this machine's own /usr: real files in their real mix, at least 300 MB of gzip. Everything,
docker's daemon included, runs in a network namespace of its own, whose loopback is the only way to the registry.
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
from dataclasses import dataclass

from benchmarks import peers
from minidock.image import reference
from minidock.image.ingest import Ingest
from minidock.image.store import CONFIG_TYPE, LAYER_TYPE, MANIFEST_TYPE, Store

FILES = 24_000
LAYERS = 8
NAME = "127.0.0.1:5000/bench:1"
_INSIDE = "MINIDOCK_BENCHMARK_NAMESPACE"


@dataclass
class Puller:
    """One way to get the image: a row of the table."""

    name: str
    pull: list[list[str]]  # commands, one after the other
    forget: Callable[[], object]
    daemon: int = 0  # whose memory counts too


def measure(rounds: int) -> None:
    """Print the table."""
    if _INSIDE not in os.environ:
        words = ["unshare", "--net", "--mount", sys.executable, "-m", "benchmarks", "pull", "-n", str(rounds)]
        raise SystemExit(subprocess.run(words, env={**os.environ, _INSIDE: "1"}, check=False).returncode)
    peers.run(["ip", "link", "set", "lo", "up"])
    with ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="minidock-bench-"))
        stack.enter_context(_registry(directory))
        minidock = [os.path.join(os.path.dirname(sys.executable), "minidock")]
        print(_publish(directory, minidock))
        pullers = list(_pullers(directory, minidock, stack))
        _table(pullers, rounds)


def _table(pullers: list[Puller], rounds: int) -> None:
    results: dict[str, list[tuple[float, float]]] = {puller.name: [] for puller in pullers}
    for _ in range(rounds):
        for puller in pullers:
            results[puller.name].append(_once(puller))
    base = statistics.median(seconds for seconds, _ in results.get("docker") or results["minidock"])
    print(f"{'':14}{'median s':>10}{'best':>8}{'worst':>8}{'ratio':>8}{'peak MB':>10}")
    for name, rows in results.items():
        times = [seconds for seconds, _ in rows]
        middle, peak = statistics.median(times), max(memory for _, memory in rows)
        print(f"{name:14}{middle:10.2f}{min(times):8.2f}{max(times):8.2f}{middle / base:8.2f}{peak:10.0f}")


def _once(puller: Puller) -> tuple[float, float]:
    """Seconds and megabytes of one pull into an empty store. What was written before is on disk by then."""
    puller.forget()
    os.sync()
    if puller.daemon:
        with open(f"/proc/{puller.daemon}/clear_refs", "w") as file:
            file.write("5")  # proc(5): sets the peak back
    peak, started = 0.0, time.perf_counter()
    for command in puller.pull:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise SystemExit(f"{' '.join(command)}: exit {child.returncode}")
        peak = max(peak, usage.ru_maxrss / 1000)
    seconds = time.perf_counter() - started
    if puller.daemon:
        with open(f"/proc/{puller.daemon}/status") as file:
            peak = next(int(line.split()[1]) / 1000 for line in file if line.startswith("VmHWM"))
    return seconds, peak


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
    server = subprocess.Popen(["docker-registry", "serve", path], stderr=subprocess.DEVNULL)
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
            with subprocess.Popen(
                ["tar", "-C", "/", "--null", "-T", "-", "-cz"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            ) as tar:
                assert tar.stdin
                assert tar.stdout
                tar.stdin.write(b"\0".join(os.fsencode(path.lstrip("/")) for path in part))
                tar.stdin.close()
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
    shutil.rmtree(store.root)
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


def _pullers(directory: str, minidock: list[str], stack: ExitStack) -> Iterator[Puller]:
    root = f"{directory}/minidock"
    yield Puller("minidock", [[*minidock, "--root", root, "pull", "-q", NAME]], lambda: _remove(root))
    if shutil.which("dockerd"):
        daemon, docker = _docker(directory, stack)
        yield Puller("docker", [[*docker, "pull", "-q", NAME]], lambda: _forget([*docker, "rmi", NAME]), daemon)
    if shutil.which("podman"):
        podman = ["podman", "--root", f"{directory}/podman", "--runroot", f"{directory}/podman-run"]
        pull = [*podman, "pull", "-q", "--tls-verify=false", NAME]
        yield Puller("podman", [pull], lambda: _forget([*podman, "rmi", "-a", "-f"]))
    if shutil.which("skopeo") and shutil.which("umoci"):
        layout, bundle = f"{directory}/layout", f"{directory}/bundle"
        copy = ["skopeo", "copy", "-q", "--src-tls-verify=false", f"docker://{NAME}", f"oci:{layout}:1"]
        unpack = ["umoci", "--log", "error", "unpack", "--image", f"{layout}:1", bundle]
        yield Puller("skopeo, umoci", [copy, unpack], lambda: (_remove(layout), _remove(bundle)))


def _docker(directory: str, stack: ExitStack) -> tuple[int, list[str]]:
    """A docker daemon in this network namespace: its process, and the client's command."""
    socket = f"unix://{directory}/docker.sock"
    words = ["dockerd", "-H", socket, "--data-root", f"{directory}/docker", "--exec-root", f"{directory}/docker-exec",
             "--pidfile", f"{directory}/docker.pid", "--storage-driver", "overlay2"]  # fmt: skip
    daemon = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    stack.callback(daemon.wait)
    stack.callback(daemon.terminate)
    client = ["docker", "-H", socket]
    for _ in range(150):
        if subprocess.run([*client, "version"], capture_output=True, check=False).returncode == 0:
            return daemon.pid, client
        time.sleep(0.2)
    raise SystemExit("docker's daemon does not start here")


def _remove(path: str) -> None:
    shutil.rmtree(path, ignore_errors=True)


def _forget(command: list[str]) -> None:
    subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, check=False)
