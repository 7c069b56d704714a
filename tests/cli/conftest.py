"""`minidock run` as tests use it most: without a network, removed at the end, and with images of their own making."""

import io
import subprocess
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.command import Minidock

Entry = tuple[str, str]  # (path, target of a symbolic link); a path that ends in "/" is a directory
MakeImage = Callable[..., str]


@dataclass(frozen=True)
class Result:
    """How a command ended: its exit code and what it wrote."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Run:
    """`run("-e", "A=1", "alpine", "env")`; `entered` starts a container that waits for its standard input."""

    minidock: Minidock

    def __call__(self, *words: str, input: bytes = b"", env: Mapping[str, str] | None = None) -> Result:
        network = () if "--network" in words else ("--network", "none")
        done = self.minidock("run", "--rm", *network, *words, input=input, env=env)
        return Result(done.returncode, done.stdout.decode(errors="surrogateescape"), done.stderr.decode())

    def shell(self, script: str, *options: str) -> str:
        """What `script` prints in Alpine. It has to succeed."""
        result = self(*options, "alpine", "sh", "-ec", script)
        assert (result.code, result.err) == (0, "")
        return result.out

    @contextmanager
    def entered(self, *words: str) -> Iterator["Inside"]:
        """A container whose program is a shell that does what it is told, until the block ends."""
        process = self.minidock.start(
            "run", "--rm", "--network", "none", "-i", *words, "sh",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        with process:
            try:
                yield Inside(process)
            finally:
                assert process.stdin is not None
                process.stdin.close()  # the shell's end of input


@dataclass(frozen=True)
class Inside:
    """A shell in a running container."""

    process: "subprocess.Popen[bytes]"

    def __call__(self, command: str) -> str:
        """What a command prints there."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{command}\necho; echo =done=\n".encode())
        self.process.stdin.flush()
        lines = iter(self.process.stdout.readline, b"")
        printed = []
        for line in lines:
            if line == b"=done=\n":
                return b"".join(printed)[:-1].decode()
            printed.append(line)
        raise AssertionError(f"the container ended instead of doing {command!r}")


@pytest.fixture(scope="session")
def run(minidock: Minidock, alpine: None) -> Run:
    """`minidock run --rm --network none ...`; Alpine is there already, so that no test is slow for building it."""
    return Run(minidock)


@pytest.fixture
def make_image(minidock: Minidock, tmp_path: Path) -> MakeImage:
    """An image of a static busybox and `entries`; returns its name."""

    def make(*entries: Entry, changes: tuple[str, ...] = ()) -> str:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            tar.add("/bin/busybox", "bin/busybox")
            for name, target in (("bin/sh", "busybox"), *entries):
                info = tarfile.TarInfo(name)
                info.mode = 0o755
                info.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.SYMTYPE
                info.linkname = target
                tar.addfile(info)
        name = f"test-{tmp_path.name.replace('_', '-').strip('-').lower()}"
        options = [word for change in changes for word in ("--change", change)]
        done = minidock("import", *options, "-", name, input=buffer.getvalue())
        assert done.returncode == 0, done.stderr
        return name

    return make


@pytest.fixture
def private(tmp_path: Path) -> Iterator[Path]:
    """A directory that is a mount, none of whose mounts are seen elsewhere."""
    place = tmp_path / "private"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tests", place], check=True)
    subprocess.run(["mount", "--make-private", place], check=True)
    yield place
    subprocess.run(["umount", "--recursive", place], check=True)
