"""A store of its own for every test, and a watch over what lies beside it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from minidock.image.store import Store


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
