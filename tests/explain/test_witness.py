"""The explanation beside an outside witness: every call that strace sees, and none that it does not, in its order."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.explain import witness
from tests.support.command import Minidock

RUNS = {
    "no network": ["--network", "none"],
    "a bridge": [],
    "the host's network": ["--network", "host"],
    "another user": ["--network", "none", "-u", "1000:1000", "-h", "web", "-w", "/made/for/it"],
    "more and less power": ["--network", "none", "--cap-drop", "ALL", "--cap-add", "CHOWN", "--read-only"],
    "mounts": ["--network", "none", "-v", "/usr/share:/mnt/share:ro", "--tmpfs", "/scratch:size=1m"],
    "all power": ["--network", "none", "--privileged"],
    "an init": ["--network", "none", "--init", "--ulimit", "nofile=100:100", "--sysctl", "net.core.somaxconn=99"],
}


def check(accounts: witness.Accounts, what: str, *, code: int = 0) -> None:
    """Both accounts are the same; prints the two counts."""
    explained, witnessed = accounts.counts()
    print(f"{what}: explained {explained} calls, witnessed {witnessed}, of {len(accounts.witnessed)} processes")
    assert accounts.done.returncode == code, accounts.done.stderr
    assert accounts.differences() == []
    assert explained == witnessed > 0


@pytest.mark.parametrize("options", RUNS.values(), ids=RUNS.keys())
def test_run(engine: Minidock, tmp_path: Path, options: list[str]) -> None:
    accounts = witness.observe(engine, tmp_path, "run", "EXPLAIN", "--rm", *options, "alpine", "true")
    check(accounts, f"run {' '.join(options)}")
    made = witness.kinds(accounts.witnessed)
    assert {"clone", "clone3", "mount", "pivot_root", "prctl", "execve"} <= set(made)
    assert ("rtnetlink" in made) == (not options)
