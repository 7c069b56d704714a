"""Cgroups that belong to one test."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from minidock.linux.cgroups import Cgroup
from tests.limits.containers import tree


@pytest.fixture
def parent() -> Iterator[Path]:
    """A cgroup below the root, empty; it goes with all that is below it when the test is over."""
    path = tree() / f"minidock-test-{uuid.uuid4().hex[:8]}"
    path.mkdir()
    yield path
    cgroup = Cgroup(str(path))
    cgroup.kill()
    cgroup.delete()


@pytest.fixture
def cgroup() -> Iterator[Cgroup]:
    """A cgroup with the controllers that this host has."""
    cgroup = Cgroup(os.path.join(tree(), "minidock", f"test-{uuid.uuid4().hex[:8]}"))
    cgroup.create()
    yield cgroup
    cgroup.kill()
    cgroup.delete()
