"""A store of its own for every test, and a watch over what lies beside it."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import click
import pytest

from minidock.cli.click_groups import noun
from minidock.engine.state_paths import Paths
from minidock.errors import MinidockError
from minidock.image.store import Store


class Result(NamedTuple):
    """How a command ended: its exit code and what it wrote."""

    code: int
    out: bytes
    err: str


Command = Callable[..., Result]


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A root directory whose neighbour must stay as it is, whatever a layer tries."""
    canary = tmp_path / "canary"
    canary.write_text("alive")
    directory = tmp_path / "root"
    directory.mkdir()
    yield directory
    assert canary.read_text() == "alive"
    assert sorted(path.name for path in tmp_path.iterdir() if path.name in ("canary", "root", "pwned")) == [
        "canary",
        "root",
    ]
    leftovers = list((directory / "tmp").iterdir()) if (directory / "tmp").exists() else []
    assert leftovers == [], "workspaces were left behind"


@pytest.fixture
def store(root: Path) -> Store:
    """A store with nothing in it."""
    return Store(str(root))


@pytest.fixture
def command(root: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Command:
    """`command("tag", "a", "b")`: a command of the group `image` on the test's own store, in this process."""

    def run(*words: str) -> Result:
        code = 0
        try:
            group, paths = noun("image"), Paths(str(root))
            result = group.main(list(words), obj=paths, standalone_mode=False, prog_name="minidock image")
            code = result if isinstance(result, int) else 0
        except (MinidockError, click.ClickException) as error:
            print(f"minidock: {error}", file=sys.stderr)
            code = 1
        sys.stdout.flush()
        out, err = capfdbinary.readouterr()
        return Result(code, out, err.decode())

    return run
