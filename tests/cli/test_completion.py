"""Shells complete the command line: commands, flags, and the names of what exists."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.engine.pty import Terminal
from tests.support.command import Minidock

IMAGE = "done:1.0"


@pytest.fixture(scope="module")
def things(engine: Minidock) -> Iterator[Minidock]:
    """A container that runs, one that never did, a network, a volume, and an image with a tag of its own."""
    sleep = ["--network", "none", "alpine", "sleep", "300"]
    for words in (
        ["run", "-d", "--name", "web-runs", *sleep],
        ["create", "--name", "web-made", *sleep],
        ["network", "create", "web-net"],
        ["volume", "create", "web-data"],
        ["tag", "alpine", IMAGE],
    ):
        done = engine(*words)
        assert done.returncode == 0, done.stderr
    yield engine
    engine("rm", "-f", "web-runs", "web-made")
    engine("network", "rm", "web-net")
    engine("volume", "rm", "web-data")
    engine("rmi", IMAGE)


def answers(minidock: Minidock, line: str, **environment: str) -> list[str]:
    """What bash is told for a line of which the cursor is at the end."""
    done = minidock(env={"COMP_LINE": line, "_MINIDOCK_COMPLETE": "bash_complete", **environment})
    assert (done.returncode, done.stderr) == (0, b"")
    return [word.partition(",")[2] for word in done.stdout.decode().split()]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("stop web", ["web-runs"]),
        ("container stop web", ["web-runs"]),
        ("exec -it web", ["web-runs"]),
        ("start web", ["web-made"]),
        ("unpause web", []),
        ("rm web", ["web-made", "web-runs"]),
        ("rm web-made web", ["web-runs"]),
        ("cp web", ["web-made:", "web-runs:", "web"]),  # the last: files are the shell's to complete
        ("rmi do", [IMAGE]),
        ("run --rm do", [IMAGE]),
        ("network rm web", ["web-net"]),
        ("run --network web", ["web-net"]),
        ("run --network=web", ["web-net"]),
        ("run --network no", ["none"]),
        ("volume rm web", ["web-data"]),
        ("inspect web", ["web-data", "web-made", "web-net", "web-runs"]),
        ("run --volumes-from web", ["web-made", "web-runs"]),
        ("st", ["start", "stop", "stats"]),
        ("completion ", ["bash", "zsh", "fish"]),
        ("run --network-a", ["--network-alias"]),
        ("swarm ", []),
        ("run alpine --x", []),
    ],
)
def test_what_may_follow(things: Minidock, line: str, expected: list[str]) -> None:
    assert answers(things, f"minidock {line}") == expected


def test_a_name_in_quotes_that_are_still_open_and_a_root_on_the_line(things: Minidock) -> None:
    assert answers(things, 'minidock stop "web') == ["web-runs"]
    assert answers(things, f"minidock --root {things.root} stop web", MINIDOCK_ROOT="/nonexistent") == ["web-runs"]
    assert answers(things, "minidock --root /nonexistent stop web") == []
    assert not os.path.exists("/nonexistent")


@pytest.fixture
def shell(things: Minidock) -> Iterator[Terminal]:
    """A bash on a terminal that has read the script as a user's does."""
    bash = ["bash", "--noprofile", "--norc", "-i"]
    program = os.path.dirname(things.program[0])
    environment = {**things.environment, "PS1": "> ", "PATH": f"{program}:{os.environ['PATH']}", "HISTFILE": ""}
    terminal = Terminal(bash, environment)
    try:
        terminal.type("source <(minidock completion bash) && echo re''ady\n")
        terminal.expect(r"\rready\r")
        yield terminal
    finally:
        terminal.close()


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("minidock inspect -f '{{.Name}}' web-r", "/web-runs"),
        ("minidock image inspect -f '{{.RepoTags}}' done:1", r"done:1\.0\]"),
    ],
)
def test_bash_itself_completes_with_a_tab(shell: Terminal, typed: str, shown: str) -> None:
    """Also behind a colon, where bash believes that a new word begins."""
    shell.type(f"{typed}\t\n")
    shell.expect(shown)


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_each_script_is_one_for_its_shell(minidock: Minidock, name: str) -> None:
    done = minidock("completion", name)
    assert done.returncode == 0, done.stderr
    if shutil.which(name):
        assert subprocess.run([name, "-n"], input=done.stdout, capture_output=True, check=False).stderr == b""
    assert f"_MINIDOCK_COMPLETE={name}_complete".encode() in done.stdout


def test_another_shell_is_refused(minidock: Minidock) -> None:
    done = minidock("completion", "tcsh")
    assert done.returncode == 125
    assert b"tcsh" in done.stderr
    assert done.stderr.count(b"\n") == 1
