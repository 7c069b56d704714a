"""A registry of the test's own, a program with a state of its own, and the parts that Debian has."""

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from minidock.image.store import Store
from tests.registry.stub import Stub
from tests.support.command import Minidock

USER, PASSWORD = "student", "a good: password"
# htpasswd -nbB student 'a good: password'
HTPASSWD = "student:$2y$05$pd/1h7ZrxP3O.nqr75PeqOhfuf2tWA8VOlKdiL3CMlIaUp2bkkKEu\n"


@dataclass(frozen=True)
class User:
    """Somebody with a store, credentials and settings of their own, who types minidock commands."""

    home: Path

    @property
    def root(self) -> Path:
        return self.home / "root"

    @property
    def store(self) -> Store:
        return Store(str(self.root))

    @property
    def environment(self) -> dict[str, str]:
        """No proxies, no settings and no credentials but the test's."""
        kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        own = {"MINIDOCK_CONFIG": str(self.home / "config.toml"), "DOCKER_CONFIG": str(self.home / "docker")}
        path = f"{self.home}/bin:{os.environ['PATH']}"
        return {**kept, **own, "MINIDOCK_ROOT": str(self.root), "MINIDOCK_RUN": str(self.home), "PATH": path}

    def configure(self, text: str) -> None:
        (self.home / "config.toml").write_text(text)

    def __call__(self, *arguments: str, input: str = "", timeout: float = 60) -> "subprocess.CompletedProcess[str]":
        """Run minidock to its end."""
        program = Minidock(self.root, self.home).program
        return subprocess.run(
            [*program, *arguments],
            input=input,
            capture_output=True,
            text=True,
            timeout=timeout,
            env=self.environment,
            check=False,
        )

    def works(self, *arguments: str, input: str = "", timeout: float = 60) -> str:
        """Run a command that has to succeed; returns its output."""
        done = self(*arguments, input=input, timeout=timeout)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def fails(self, *arguments: str, input: str = "", timeout: float = 60) -> str:
        """Run a command that has to fail with one line; returns that line."""
        done = self(*arguments, input=input, timeout=timeout)
        assert done.returncode == 1, (done.returncode, done.stdout, done.stderr)
        lines = done.stderr.splitlines()
        assert len(lines) == 1, done.stderr
        assert "Traceback" not in done.stderr
        self.has_no_leftovers()
        return lines[0]

    def has_no_leftovers(self) -> None:
        workspaces = self.root / "tmp"
        assert not workspaces.exists() or list(workspaces.iterdir()) == []

    def content(self) -> list[str]:
        """The blobs and layers that are there."""
        places = (self.root / "images" / "blobs" / "sha256", self.root / "layers")
        return sorted(entry.name for place in places for entry in place.iterdir())

    def file(self, name: str, path: str) -> bytes:
        """A file of an image, from its topmost layer that has it."""
        layers = self.store.resolve(name).layer_paths
        return next((Path(layer) / path).read_bytes() for layer in reversed(layers) if (Path(layer) / path).exists())


def make_user(home: Path) -> User:
    home.mkdir()
    (home / "config.toml").touch()
    return User(home)


@pytest.fixture
def user(tmp_path: Path) -> User:
    return make_user(tmp_path / "user")


@pytest.fixture
def other(tmp_path: Path) -> User:
    """Somebody on another machine."""
    return make_user(tmp_path / "other")


@pytest.fixture
def stub() -> Iterator[Stub]:
    with Stub().running() as running:
        yield running


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(command: list[str], port: int, log: Path) -> Iterator[None]:
    """Run a server until the end of the block; it answers on `port` when the block begins."""
    with open(log, "wb") as file:
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert server.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.05)
        yield
    finally:
        server.terminate()
        server.wait(20)


@contextmanager
def docker_registry(directory: Path, **http: object) -> Iterator[str]:
    """Debian's docker-registry (distribution 2.8); gives its address. `auth` goes beside `http`."""
    assert shutil.which("docker-registry"), "make interop installs docker-registry"
    directory.mkdir()
    port = free_port()
    config = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(directory / "data")}, "delete": {"enabled": True}},
        "http": {"addr": f"127.0.0.1:{port}", **{k: v for k, v in http.items() if k != "auth"}},
        **({"auth": http["auth"]} if "auth" in http else {}),
    }
    (directory / "config.yml").write_text(json.dumps(config))  # JSON is YAML
    with serving(["docker-registry", "serve", str(directory / "config.yml")], port, directory / "log"):
        yield f"127.0.0.1:{port}"


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """A real registry's address, without TLS."""
    with docker_registry(tmp_path / "registry") as address:
        yield address
