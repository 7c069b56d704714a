"""Explanations of commands that run on a machine where the image is there and the bridge made."""

from __future__ import annotations

import pytest

from tests.support.command import Minidock


@pytest.fixture(scope="session")
def engine(minidock: Minidock) -> Minidock:
    """The program, with the alpine image there and the bridge network made."""
    done = minidock("run", "--rm", "alpine", "true", timeout=250)
    assert done.returncode == 0, done.stderr.decode()
    return minidock
