"""Commands with many names, and names that change while a process knows them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from minidock.engine.container import records
from minidock.errors import NotFoundError
from tests.support.command import Minidock


def test_each_record_is_read_once_or_twice_however_many_are_named(
    engine: Minidock, ok: Callable[..., str], tmp_path: Path
) -> None:
    names = [f"c{number}" for number in range(12)]
    for name in names:
        ok("create", "--name", name, "--network", "none", "alpine", "true")
    trace = tmp_path / "trace"
    command = ["strace", "-f", "-o", str(trace), "-e", "trace=openat", *engine.program, "inspect", *names]
    done = subprocess.run(command, env=engine.environment, capture_output=True, check=True)
    assert [found["Name"] for found in json.loads(done.stdout)] == [f"/{name}" for name in names]
    assert trace.read_text().count("container.json") <= 2 * len(names)
    ok("rm", *names)


def test_a_name_that_is_known_and_has_changed_leads_nowhere_wrong(engine: Minidock, ok: Callable[..., str]) -> None:
    root = str(engine.root)
    first = ok("create", "--name", "first", "--network", "none", "alpine", "true").strip()
    assert records.find(root, "first").id == records.find(root, first[:12]).id == first
    ok("rename", "first", "second")
    with pytest.raises(NotFoundError):
        records.find(root, "first")
    assert records.find(root, "second").id == first
    namesake = ok("create", "--name", first[:12], "--network", "none", "alpine", "true").strip()
    assert records.find(root, first[:12]).id == namesake  # a name goes before the beginning of an id
    assert records.find(root, first[:13]).id == first
    ok("rm", "second")
    with pytest.raises(NotFoundError):
        records.find(root, first)
    assert records.find(root, first[:12]).id == namesake
    ok("rm", first[:12])
