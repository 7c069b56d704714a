"""/run was wiped while containers run: what is below it can be made again, and their state is not there."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable

import pytest

from tests.engine.containers import Containers, eventually
from tests.engine.test_idle import is_small
from tests.engine.test_life import background
from tests.support.command import Minidock

pytestmark = pytest.mark.usefixtures("no_containers_afterwards")

ECHO = "echo up; while read line; do echo got-$line; done; exec sleep 1000"


def wipe(engine: Minidock) -> None:
    for part in engine.run.iterdir():
        shutil.rmtree(part)


@pytest.mark.parametrize("small", [True, False], ids=["idle", "monitor"])
def test_attach_finds_its_way(engine: Minidock, ok: Callable[..., str], containers: Containers, small: bool) -> None:
    record = background(ok, containers, ECHO, "--name", "wiped", "-i")
    if small:
        eventually(lambda: is_small(record["state"]["monitor"]))
    for line in ("one", "two"):  # also a second time
        wipe(engine)
        speaker = engine.start("attach", "wiped", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert speaker.stdin is not None
        speaker.stdin.write(f"{line}\n".encode())
        speaker.stdin.flush()
        eventually(lambda line=line: f"got-{line}" in ok("logs", "wiped"))  # type: ignore[misc]
        speaker.kill()
        speaker.communicate()
    assert (engine.run / "containers").stat().st_mode & 0o777 == 0o700


COMMANDS = {
    "exec wiped echo inside": "inside\n",
    "ps --format {{.Names}}": "wiped\n",
    "port wiped": "",
    "pause wiped": "wiped\n",
    "update --restart no wiped": "wiped\n",
    "stats --no-stream --format {{.Name}} wiped": "wiped\n",
    "restart -t 0 wiped": "wiped\n",
    "stop -t 0 wiped": "wiped\n",
    "kill wiped": "wiped\n",
    "rm -f wiped": "wiped\n",
}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_goes_on(engine: Minidock, ok: Callable[..., str], containers: Containers, command: str) -> None:
    record = background(ok, containers, "echo up; exec sleep 1000", "--name", "wiped")
    wipe(engine)
    done = engine(*command.split())
    assert (done.returncode, done.stdout.decode()) == (0, COMMANDS[command]), done.stderr
    if command.startswith(("stop", "kill", "rm")):
        eventually(lambda: not containers.running())
        assert not containers.commands()
    else:
        assert [one["id"] for one in containers.records()] == [record["id"]]


def test_who_waits_hears_of_the_end(engine: Minidock, ok: Callable[..., str], containers: Containers) -> None:
    background(ok, containers, "echo up; read line; exit 7", "--name", "wiped", "-i")
    wipe(engine)
    waiting = engine.start("wait", "wiped", stdout=subprocess.PIPE)
    eventually(lambda: list((engine.run / "containers").glob("*")))
    engine("attach", "wiped", input=b"go\n")
    assert waiting.communicate(timeout=30)[0] == b"7\n"


def test_a_container_whose_monitor_was_killed_is_still_a_stopped_one(
    engine: Minidock, ok: Callable[..., str], containers: Containers
) -> None:
    record = background(ok, containers, "echo up; exec sleep 1000", "--name", "wiped")
    os.kill(record["state"]["monitor"], signal.SIGKILL)
    wipe(engine)
    done = engine("attach", "wiped")
    assert (done.returncode, done.stderr) == (
        1, b"minidock: You cannot attach to a stopped container, start it first\n")  # fmt: skip
