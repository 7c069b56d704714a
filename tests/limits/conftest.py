"""Cgroups that belong to one test."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from minidock.linux import systemd
from minidock.linux.cgroups import Cgroup
from tests.limits.containers import tree


class Parent(NamedTuple):
    """What --cgroup-parent is given, and the directory that it means."""

    name: str
    path: Path


@pytest.fixture
def only_cgroupfs() -> None:
    """Skip where systemd gives out cgroups: a container is in a scope then, and a parent is a slice."""
    if systemd.owns_the_tree():
        pytest.skip("systemd owns the tree: a parent is a slice, which it makes and lets hold nothing but units")


@pytest.fixture(scope="session")
def inner_parent() -> Iterator[Parent]:
    """A parent in a parent, for the manager in force; not yet made. As with docker, one that somebody names stays."""
    if systemd.owns_the_tree():  # the name of a slice is its path
        slices = "minidock.slice/minidock-test.slice/minidock-test-inner.slice"
        yield Parent("minidock-test-inner.slice", tree() / slices)
        subprocess.run(["systemctl", "--quiet", "stop", "minidock-test.slice"], check=True)
        return
    path = tree() / "minidock-test" / "inner"
    yield Parent("minidock-test/inner", path)
    for directory in (path, path.parent):
        directory.rmdir()


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
