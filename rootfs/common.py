"""What the recipes share: saying what happens, refusing wrong bytes, and writing the same tarball twice.

Standard library only, and nothing from minidock: a recipe must run from wherever it was installed.
"""

import argparse
import contextlib
import gzip
import hashlib
import os
import signal
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import BinaryIO

# Signals that stop a recipe, which then undoes what it has made.
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
DEFAULT_CACHE = Path("/var/cache/minidock/rootfs")


class RecipeError(Exception):
    """The image cannot be built; the message is the one line that a user reads."""


def say(text: str) -> None:
    """One line of progress on stderr: what is being done, and why."""
    print(text, file=sys.stderr, flush=True)


def arguments(description: str | None) -> argparse.ArgumentParser:
    """The command line that every recipe has; a recipe may add options to it."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--output", type=Path, required=True, metavar="FILE.tar.gz", help="the image")
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE, metavar="DIR", help="(%(default)s)")
    return parser


def run_recipe(name: str, build: Callable[[], None]) -> None:
    """Run `build` and exit: 0, or 1 after one line on stderr. A signal is an error too: it unwinds."""

    def stop(number: int, _: FrameType | None) -> None:
        signal.signal(number, signal.SIG_IGN)  # once is enough; a second one would interrupt the undoing
        raise RecipeError(f"stopped by {signal.Signals(number).name}")

    for number in STOPPING:
        signal.signal(number, stop)
    os.umask(0o022)  # the caller's must not show in the modes of an image's files
    try:
        build()
    except RecipeError as error:
        sys.exit(f"{name}: {error}")
    except OSError as error:
        sys.exit(f"{name}: {error.strerror or error}: {error.filename or 'no file named'}")


def missing(tool: str, package: str) -> RecipeError:
    """The error for a program that is not there; `package` is the Debian package that has it."""
    return RecipeError(f"{tool} is needed and not installed (Debian: apt install {package})")


def run_tool(command: Sequence[str | Path], package: str) -> str:
    """Run a program of the host and return its output; `package` is the Debian package that has it.

    Raises RecipeError when it is not installed or fails, with the last line that it said.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    except FileNotFoundError as error:
        raise missing(str(command[0]), package) from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise RecipeError(f"{command[0]} failed: {said[-1] if said else f'exit status {done.returncode}'}")
    return done.stdout


def sha256(path: Path) -> str:
    """The file's SHA-256, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cached(cache: Path, name: str, expected: str, fetch: Callable[[Path], None]) -> Path:
    """`cache`/`name`, whose SHA-256 is `expected` now, not only when it was stored.

    `fetch` is called with an empty directory and must put a file called `name` in it. Only a file with the
    right hash is renamed into the cache, so no other build ever sees half of one. Raises RecipeError.
    """
    kept = cache / name
    if kept.exists():
        if sha256(kept) == expected:
            say(f"using {kept}, whose hash was checked again")
            return kept
        say(f"the cached {name} is damaged; fetching it anew")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix=".fetch-") as scratch:
        fetch(Path(scratch))
        fresh = Path(scratch) / name
        if (found := sha256(fresh)) != expected:
            raise RecipeError(f"{name} has SHA-256 {found}, not {expected}: refused")
        fresh.replace(kept)
    return kept


@contextlib.contextmanager
def written_whole(output: Path) -> Iterator[Path]:
    """A temporary path beside `output` that takes its name if the block succeeds and vanishes if not."""
    if not output.parent.is_dir():
        raise RecipeError(f"no directory {output.parent} to write {output.name} to")
    # delete=False below: the name must outlive the file object, because rename is what publishes it.
    with tempfile.NamedTemporaryFile(dir=output.parent, prefix=f".{output.name}.", delete=False) as file:
        partial = Path(file.name)
    try:
        yield partial
        partial.chmod(0o644)  # mkstemp made it 0600
        partial.replace(output)
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def tarball(path: Path) -> Iterator[tarfile.TarFile]:
    """A gzip tarball that does not tell when and where it was made (reproducible-builds.org, "Archives").

    The same members give the same bytes as long as zlib stays the same.
    """
    with (
        path.open("wb") as file,
        # The gzip header would otherwise hold the file name and the present time (RFC 1952, FNAME and MTIME).
        gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=9, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        yield tar


def add_tree(tar: tarfile.TarFile, root: Path, latest: int) -> None:
    """Add everything below `root`, sorted. Times after `latest` (seconds since 1970) become `latest`.

    Clamping is what SOURCE_DATE_EPOCH does: what the upstream shipped keeps its date, what this build touched
    gets one date for all. Owners are numbers only: user names of this machine mean nothing in the image.
    """
    for path in sorted(root.rglob("*"), key=str):
        member = tar.gettarinfo(path, arcname=str(path.relative_to(root)))
        member.mtime = min(int(member.mtime), latest)
        member.uname = member.gname = ""
        if "security.capability" in os.listxattr(path, follow_symlinks=False):
            raise RecipeError(f"{member.name} has file capabilities, which this recipe would lose")
        if member.isreg():
            with path.open("rb") as content:
                add_member(tar, member, content)
        else:
            add_member(tar, member)


def add_member(tar: tarfile.TarFile, member: tarfile.TarInfo, content: BinaryIO | None = None) -> None:
    """Add one member; a device node is refused, since an image's /dev is made by the runtime."""
    if member.isdev():
        raise RecipeError(f"{member.name} is a device or a FIFO, which has no place in an image")
    tar.addfile(member, content)
