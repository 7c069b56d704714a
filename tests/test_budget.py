"""What the main commands may cost: modules that they import, processes that they start, system calls that they make.

Times depend on the machine and on who else uses it; these numbers do not, and what is slow shows in them. Who goes over
a budget with good reason writes a larger one here, and why.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.command import Minidock

CHECKOUT = Path(__file__).resolve().parents[1]
# Slow to import, and not needed by a usual command line, from its first word to the container's end.
HEAVY = {"ast", "asyncio", "calendar", "click", "dnslib", "html", "inspect", "pathlib", "pyroute2", "rich", "shutil",
         "site", "tempfile", "urllib.parse"}  # fmt: skip


class Budget(NamedTuple):
    """Modules of the command's own process; of it and all that it starts, how often each is begun, and system calls."""

    modules: int
    forks: int
    programs: int
    calls: int


BUDGETS = {
    "version": Budget(50, 0, 1, 650),
    "ps -a": Budget(143, 0, 1, 1950),
    "images": Budget(112, 0, 1, 1550),
    "inspect {up}": Budget(161, 0, 1, 2200),
    "logs {up}": Budget(128, 0, 1, 1700),
    "create --network none --name {new} alpine true": Budget(195, 0, 1, 3100),
    "rm {new}": Budget(145, 0, 1, 1950),
    "run --rm --network none alpine true": Budget(172, 2, 3, 6100),
    "exec {up} true": Budget(108, 4, 3, 3950),
    "run --help": Budget(155, 0, 1, 2000),
}
ASK_CLICK = ("run --help",)
NAMES = {"up": "budget-up", "new": "budget-new"}


def program(*flags: str) -> list[str]:
    """minidock as its launcher starts it (`cli/launcher.py`), whether that is installed or not."""
    places = [place for place in sys.path if place.endswith("-packages")]
    begin = f"import sys; sys.path += {[*places, str(CHECKOUT)]}; from minidock.cli.entry import main; main()"
    return [sys.executable, "-I", "-S", *flags, "-c", begin]


def call(engine: Minidock, command: list[str]) -> str:
    """Run a command; its errors."""
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    return subprocess.run(command, env=engine.environment, text=True, check=False, **streams).stderr  # type: ignore


def imported(engine: Minidock, words: list[str]) -> set[str]:
    """The modules that the command imports (-X importtime)."""
    shown = call(engine, [*program("-X", "importtime"), *words])
    return set(re.findall(r"^import time: .*\| +(\S+)$", shown, re.MULTILINE))


def traced(engine: Minidock, words: list[str], trace: Path) -> Counter[str]:
    """How often each system call is made, by the command and by all that it starts."""
    call(engine, ["strace", "-f", "-qq", "-o", str(trace), *program(), *words])
    return Counter(re.findall(r"^\d+ +(\w+)\(", trace.read_text(errors="replace"), re.MULTILINE))


@pytest.fixture
def own(engine: Minidock, tmp_path: Path) -> Iterator[Minidock]:
    """A state root with an image and nothing else: other tests' containers would be looked at too."""
    run = Path(tempfile.mkdtemp(prefix="mdt-", dir="/run"))  # a socket's path is short
    own = Minidock(root=tmp_path / "root", run=run)
    for minidock, words in ((engine, ("save", "-o")), (own, ("load", "-i"))):
        done = minidock(*words, str(tmp_path / "alpine.tar"), *(["alpine"] if minidock is engine else []))
        assert done.returncode == 0, done.stderr
    yield own
    shutil.rmtree(run)


def test_no_command_costs_more_than_its_budget(own: Minidock, tmp_path: Path) -> None:
    own("run", "-d", "--name", NAMES["up"], "--network", "none", "alpine", "sleep", "1000")
    over = []
    try:
        for line, budget in BUDGETS.items():
            words = [word.format(**NAMES) for word in line.split()]
            calls = traced(own, words, tmp_path / "trace")
            if "{new}" in line:  # it is there now, or gone: to be done again
                again = ["rm", NAMES["new"]] if words[0] == "create" else ["create", "--name", NAMES["new"], "alpine"]
                assert own(*again).returncode == 0
            modules = imported(own, words)
            forks = sum(calls[name] for name in ("fork", "vfork", "clone", "clone3"))
            found = Budget(len(modules), forks, calls["execve"], calls.total())
            over += [f"{line}: {found} for {budget}"] if any(map(int.__gt__, found, budget)) else []
            over += [f"{line} imports {name}" for name in sorted(HEAVY & modules) if line not in ASK_CLICK]
    finally:
        own("rm", "-f", *NAMES.values())
    assert not over, "\n".join(over)
