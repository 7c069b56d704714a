"""The engines to compare with, each brought to the point where one command runs `true` in the same Alpine.

All get the root file system that minidock's own image has. runc and crun get minidock's very bundle: the same
config.json, so the same overlay, mounts, capabilities and filter.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from minidock.linux import syscalls

IMAGE = "localhost/minidock-bench:latest"


@dataclass(frozen=True)
class Candidate:
    """One way to run `true`: a row of the table. `network`: whether the container gets a bridge network."""

    name: str
    network: bool
    command: list[str]
    environment: dict[str, str] | None = None


def run(command: list[str]) -> str:
    """Run a command that has to succeed, and return its output; its words are shown if it does not."""
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: exit {done.returncode}: {done.stderr.strip()}")
    return done.stdout


@contextmanager
def candidates(minidock: list[str]) -> Iterator[list[Candidate]]:
    """All that are installed, ready to run; everything made for them is taken away at the end."""
    with ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="minidock-bench-"))
        tarball = os.path.join(directory, "alpine.tar")
        found = [
            Candidate("minidock", False, [*minidock, "run", "--rm", "--network", "none", "alpine", "true"]),
            Candidate("minidock", True, [*minidock, "run", "--rm", "alpine", "true"]),
        ]
        made = stack.enter_context(bundle(minidock))
        root_file_system(minidock, tarball)
        found += [Candidate(name, False, [name, "run", "-b", made, f"bench-{name}"])
                  for name in ("runc", "crun") if _works(name, made)]  # fmt: skip
        if shutil.which("podman"):
            found += stack.enter_context(_podman(tarball, directory))
        if shutil.which("dockerd"):
            found += stack.enter_context(_docker(tarball, directory))
        yield found


@contextmanager
def bundle(minidock: list[str]) -> Iterator[str]:
    """The OCI bundle of a container that minidock made and that has ended."""
    name = f"bench-{os.getpid()}"
    run([*minidock, "run", "--name", name, "--network", "none", "alpine", "true"])
    try:
        yield run([*minidock, "inspect", name]).split('"OCIConfigPath": "')[1].split("/config.json")[0]
    finally:
        run([*minidock, "rm", "-f", name])


def root_file_system(minidock: list[str], tarball: str) -> None:
    """The image's files as a tar archive, written by the image's own tar."""
    tar = ["tar", "-c", "-f", "-", "-C", "/", "bin", "etc", "lib", "root", "sbin", "usr", "var"]
    words = ["run", "--rm", "--network", "none", "alpine", *tar]
    with open(tarball, "wb") as file:
        subprocess.run([*minidock, *words], stdout=file, stdin=subprocess.DEVNULL, check=True)


def _works(name: str, bundle: str) -> bool:
    if not shutil.which(name):
        return False
    done = subprocess.run([name, "run", "-b", bundle, f"try-{name}"], capture_output=True, stdin=subprocess.DEVNULL,
                          check=False)  # fmt: skip
    if done.returncode:
        print(f"{name} left out: {done.stderr.decode().strip().splitlines()[-1:]}")
        subprocess.run([name, "delete", "-f", f"try-{name}"], capture_output=True, check=False)
    return not done.returncode


@contextmanager
def _podman(tarball: str, directory: str) -> Iterator[list[Candidate]]:
    """podman with a storage of its own. The ulimits are what a host without CAP_SYS_RESOURCE needs."""
    base = ["podman", "--root", f"{directory}/podman", "--runroot", f"{directory}/podman-run", "--runtime", "runc",
            "--cgroup-manager", "cgroupfs"]  # fmt: skip
    run([*base, "import", "-q", tarball, IMAGE])
    words = [*base, "run", "--rm", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]
    found = []
    for network in (False, True):
        command = [*words, *([] if network else ["--network", "none"]), IMAGE, "true"]
        if subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, check=False).returncode == 0:
            found.append(Candidate("podman", network, command))
        else:
            print(f"podman {'with' if network else 'without'} network left out: it does not run here")
    yield found
    subprocess.run([*base, "system", "reset", "--force"], capture_output=True, check=False)


@contextmanager
def _docker(tarball: str, directory: str) -> Iterator[list[Candidate]]:
    with docker_daemon(directory) as base:
        if base:
            run([*base, "import", tarball, IMAGE])
        else:
            print("docker left out: its daemon does not start here")
        yield [Candidate("docker", network, [*base, "run", "--rm", *([] if network else ["--network", "none"]), IMAGE,
                                             "true"]) for network in (False, True) if base]  # fmt: skip


def _reset_signals() -> None:
    """Signals 32 and 33 at their default: glibc's posix_spawn, and so make, leaves them ignored, and docker passes
    that on to its containers."""
    for number in (32, 33):
        syscalls.reset_signal(number)


@contextmanager
def docker_daemon(
    directory: str, enter: tuple[str, ...] = ("unshare", "--net"), options: tuple[str, ...] = ()
) -> Iterator[list[str]]:
    """A docker daemon with its state in `directory`; gives the client command that talks to it, [] if it won't start.

    It has a network namespace of its own, or the one that the command `enter` runs it in, so its bridge and its packet
    filter rules are gone with that.
    """
    socket = f"unix://{directory}/docker.sock"
    daemon = subprocess.Popen(
        [*enter, "dockerd", "-H", socket, "--data-root", f"{directory}/docker", "--exec-root",
         f"{directory}/docker-exec", "--pidfile", f"{directory}/docker.pid", "--storage-driver", "overlay2",
         *options],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        preexec_fn=_reset_signals,  # noqa: PLW1509 - no threads here
    )  # fmt: skip
    base = ["docker", "-H", socket]
    try:
        deadline = time.monotonic() + 30
        while subprocess.run([*base, "version"], capture_output=True, check=False).returncode:
            if time.monotonic() > deadline or daemon.poll() is not None:
                base = []
                break
            time.sleep(0.2)
        yield base
    finally:
        daemon.terminate()
        daemon.wait(20)
        subprocess.run(f"grep -o ' {directory}/[^ ]*' /proc/self/mountinfo | sort -r | xargs -r umount -l",
                       shell=True, capture_output=True, check=False)  # fmt: skip
