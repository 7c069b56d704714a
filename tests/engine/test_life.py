"""The life of a container that nobody waits for: created, started, stopped, killed, paused, renamed, removed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engine.containers import Containers, cgroup2, eventually
from tests.support.command import Minidock
from tests.support.machine import open_files, parent, read, waits

PATIENT = "trap 'echo told; exit 5' TERM; echo up; while :; do sleep 0.02; done"
DEAF = "trap 'echo told' TERM; echo up; while :; do sleep 0.02; done"


@pytest.fixture(autouse=True)
def no_containers_afterwards(engine: Minidock, containers: Containers) -> Iterator[None]:
    """Every test ends with nothing left of its containers."""
    yield
    if left := engine("ps", "-a", "-q").stdout.split():
        engine("rm", "-f", *map(bytes.decode, left))
    eventually(lambda: not containers.left())


@pytest.fixture
def ok(engine: Minidock) -> Callable[..., str]:
    """`ok("stop", "web")`: what a command prints that has to succeed."""

    def ok(*words: str) -> str:
        done = engine(*words)
        assert (done.returncode, done.stderr) == (0, b""), (words, done)
        return done.stdout.decode()

    return ok


def state(containers: Containers) -> dict[str, Any]:
    """The state of the only container."""
    (record,) = containers.records()
    found: dict[str, Any] = record["state"]
    return found


def background(ok: Callable[..., str], containers: Containers, script: str, *options: str) -> dict[str, Any]:
    """Run `script` detached until it has said "up"; returns the container's record."""
    container_id = ok("run", "-d", "--network", "none", *options, "alpine", "sh", "-c", script).strip()
    eventually(lambda: "up" in ok("logs", container_id))
    return next(record for record in containers.records() if record["id"] == container_id)


def test_run_d_prints_the_id_once_the_program_runs(ok: Callable[..., str], containers: Containers) -> None:
    printed = ok("run", "-d", "--name", "web", "alpine", "sleep", "1000")
    record = containers.running()[0]
    assert printed == f"{record['id']}\n"
    assert read(f"/proc/{record['state']['pid']}/cmdline") == b"sleep\x001000\0"


def test_the_monitor_belongs_to_nobody_who_could_go(ok: Callable[..., str], containers: Containers) -> None:
    """Not to the caller's session nor process group, and with nothing of its open: a log-out does not reach it."""
    monitor = background(ok, containers, PATIENT)["state"]["monitor"]
    assert os.getsid(monitor) == os.getpgid(monitor) == monitor
    assert os.getsid(monitor) != os.getsid(0)
    assert parent(monitor) != os.getpid()
    assert {os.readlink(f"/proc/{monitor}/fd/{fd}") for fd in (0, 1, 2)} == {"/dev/null"}
    assert os.readlink(f"/proc/{monitor}/cwd") == "/"


@pytest.mark.parametrize(("command", "code"), [("no-such-program", 127), ("/etc", 126)])
def test_what_cannot_be_started_is_not_detached(
    engine: Minidock, ok: Callable[..., str], containers: Containers, command: str, code: int
) -> None:
    """As in docker, it stays, and its id is known."""
    done = engine("run", "-d", "alpine", command)
    assert (done.returncode, done.stderr.count(b"\n")) == (code, 1)
    (record,) = containers.records()
    assert done.stdout.decode() == f"{record['id']}\n"
    assert ok("rm", record["id"]) == f"{record['id']}\n"


def test_created_it_waits_and_keeps_what_it_wrote_between_starts(
    engine: Minidock, ok: Callable[..., str], containers: Containers
) -> None:
    ok("create", "--name", "counter", "alpine", "sh", "-c", "echo x >>/count; wc -l </count; exit 3")
    assert state(containers)["status"] == "created"
    assert ok("start", "counter") == "counter\n"
    assert ok("wait", "counter") == "3\n"
    attached = engine("start", "-a", "counter")
    assert (attached.returncode, attached.stdout) == (3, b"2\n")
    assert ok("logs", "counter") == "1\n2\n"
    assert state(containers)["status"] == "exited"


def test_a_created_container_survives_every_other_command(ok: Callable[..., str], containers: Containers) -> None:
    ok("create", "--name", "waits", "alpine", "true")
    ok("ps", "-a")
    ok("run", "--rm", "--network", "none", "alpine", "true")
    assert state(containers)["status"] == "created"


def test_a_failed_start_leaves_what_was_created(
    engine: Minidock, ok: Callable[..., str], containers: Containers
) -> None:
    ok("create", "--name", "bad", "alpine", "no-such-program")
    done = engine("start", "bad")
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"executable file not found" in done.stderr
    assert (state(containers)["status"], state(containers)["exitCode"]) == ("created", 127)
    assert "not found" in state(containers)["error"]
    assert ok("rm", "bad") == "bad\n"


def test_start_of_what_runs_does_nothing(ok: Callable[..., str], containers: Containers) -> None:
    before = background(ok, containers, PATIENT, "--name", "runs")["state"]["pid"]
    assert ok("start", "runs") == "runs\n"
    assert state(containers)["pid"] == before


def test_two_who_start_the_same_at_once(engine: Minidock, ok: Callable[..., str], containers: Containers) -> None:
    ok("create", "--name", "once", "alpine", "sleep", "1000")
    starters = [engine.start("start", "once", stdout=subprocess.PIPE) for _ in range(4)]
    assert [starter.communicate(timeout=60)[0] for starter in starters] == [b"once\n"] * 4
    assert len(containers.processes()) == 1


def test_stop_sends_the_stop_signal_and_waits(ok: Callable[..., str], containers: Containers) -> None:
    background(ok, containers, PATIENT, "--name", "polite")
    assert ok("stop", "polite") == "polite\n"
    assert (state(containers)["status"], state(containers)["exitCode"]) == ("exited", 5)
    assert ok("logs", "polite") == "up\ntold\n"
    assert ok("stop", "polite") == "polite\n"  # again: nothing to do


def test_stop_kills_what_does_not_listen(ok: Callable[..., str], containers: Containers) -> None:
    background(ok, containers, DEAF, "--name", "deaf")
    assert ok("stop", "-t", "0", "deaf") == "deaf\n"
    assert state(containers)["exitCode"] == 137


def test_stop_goes_by_what_the_container_was_made_with(ok: Callable[..., str], containers: Containers) -> None:
    script = "trap 'exit 6' USR1; trap '' TERM; echo up; while :; do sleep 0.02; done"
    background(ok, containers, script, "--name", "own", "--stop-signal", "USR1", "--stop-timeout", "-1")
    ok("stop", "own")
    assert state(containers)["exitCode"] == 6


def test_stop_and_restart_with_another_signal(engine: Minidock, ok: Callable[..., str], containers: Containers) -> None:
    script = "trap 'echo asked; exit 8' USR1; trap '' TERM; echo up; while :; do sleep 0.02; done"
    background(ok, containers, script, "--name", "other")
    refused = engine("stop", "-s", "NONSENSE", "other")
    assert (refused.returncode, refused.stderr) == (1, b"minidock: invalid signal: NONSENSE\n")
    ok("restart", "-t", "-1", "--signal", "USR1", "other")
    eventually(lambda: ok("logs", "other") == "up\nasked\nup\n")
    ok("stop", "-t", "-1", "-s", "USR1", "other")
    assert state(containers)["exitCode"] == 8


def test_kill_sends_any_signal(engine: Minidock, ok: Callable[..., str], containers: Containers) -> None:
    script = "trap 'echo one' USR1; trap 'echo two' RTMIN+2; echo up; while :; do sleep 0.02; done"
    background(ok, containers, script, "--name", "hears")
    for word in ("USR1", "sigusr1", str(int(signal.SIGUSR1))):
        ok("kill", "-s", word, "hears")
    eventually(lambda: ok("logs", "hears").count("one"))
    said = engine("kill", "-s", "NONSENSE", "hears").stderr
    assert said == b"minidock: cannot kill container: hears: invalid signal: NONSENSE\n"
    assert ok("kill", "hears") == "hears\n"
    assert state(containers)["exitCode"] == 137  # kill returns when it has ended
    refused = engine("kill", "hears")
    assert refused.returncode == 1
    assert b"cannot kill container: hears: Container " in refused.stderr
    assert b" is not running" in refused.stderr


def test_wait_for_several_of_which_one_is_removed_at_its_end(
    engine: Minidock, ok: Callable[..., str], containers: Containers
) -> None:
    monitor = background(ok, containers, PATIENT, "--name", "first", "--rm")["state"]["monitor"]
    background(ok, containers, PATIENT, "--name", "second")

    def sockets() -> int:
        """The one that it listens on, and one for each who was let in."""
        return sum("socket:" in link for link in open_files(monitor))

    alone = eventually(lambda: waits(monitor) and sockets())
    waiting = engine.start("wait", "first", "second", stdout=subprocess.PIPE)
    eventually(lambda: sockets() > alone)
    ok("stop", "first")
    ok("kill", "second")
    assert waiting.communicate(timeout=30)[0] == b"5\n137\n"
    assert [record["name"] for record in containers.records()] == ["second"]


def test_restart_is_a_new_process_of_the_same_container(ok: Callable[..., str], containers: Containers) -> None:
    before = background(ok, containers, PATIENT, "--name", "again")["state"]
    assert ok("restart", "again") == "again\n"
    after = state(containers)
    assert (after["status"], after["monitor"]) == ("running", before["monitor"])
    assert after["pid"] != before["pid"]
    eventually(lambda: ok("logs", "again") == "up\ntold\nup\n")
    ok("stop", "again")
    ok("restart", "again")  # what does not run is started
    assert state(containers)["status"] == "running"


def test_restart_into_a_run_that_is_over_at_once(ok: Callable[..., str], containers: Containers) -> None:
    script = "echo up; [ -e /second ] && exit 3; touch /second; sleep 1000"
    background(ok, containers, script, "--name", "again")
    ok("restart", "-t", "0", "again")
    ok("wait", "again")
    assert (ok("logs", "again"), state(containers)["exitCode"]) == ("up\nup\n", 3)


def test_restart_of_one_that_is_stopped_meanwhile_starts_it(
    engine: Minidock, ok: Callable[..., str], containers: Containers
) -> None:
    """Whichever of the two is the later one to speak to the monitor: it is docker's restart that ends with a start."""
    script = "trap : TERM; echo up; while :; do sleep 0.1; done"
    one = background(ok, containers, script, "--name", "again")["id"]
    restarting = engine.start("restart", "-t", "60", "again", stdout=subprocess.PIPE)
    eventually(lambda: state(containers)["again"])
    ok("stop", "-t", "0", "again")
    assert (restarting.communicate(timeout=30)[0], restarting.returncode) == (b"again\n", 0)
    assert state(containers)["status"] == "running"
    words = ("--since", "0", "--until", "0s", "--filter", f"container={one}", "--format", "{{.Action}}")
    events = ok("events", *words).split()
    assert (events.count("start"), events.count("restart")) == (2, 1)


def test_restart_keeps_a_container_that_goes_with_its_end(ok: Callable[..., str], containers: Containers) -> None:
    background(ok, containers, PATIENT, "--name", "again", "--rm")
    ok("restart", "again")
    assert state(containers)["status"] == "running"
    ok("stop", "again")
    assert not containers.records()


def test_a_paused_container_stands_still(engine: Minidock, ok: Callable[..., str], containers: Containers) -> None:
    script = "echo up; i=0; while :; do i=$((i+1)); echo $i >/shared/count; done"
    shared = containers.directory.parent / "shared"
    shared.mkdir(exist_ok=True)
    record = background(ok, containers, script, "--name", "busy", "-v", f"{shared}:/shared")
    assert ok("pause", "busy") == "busy\n"
    assert state(containers)["status"] == "paused"
    assert b"frozen 1" in read(f"{cgroup2()}/minidock/{record['id']}/cgroup.events")
    counted = read(f"{shared}/count")
    time.sleep(0.1)
    assert read(f"{shared}/count") == counted
    for words, error in {
        ("pause", "busy"): f"Container {record['id']} is already paused",
        ("start", "busy"): "cannot start a paused container, try unpause instead",
        ("attach", "busy"): "You cannot attach to a paused container, unpause it first",
        ("exec", "busy", "true"): "Container busy is paused, unpause the container before exec",
        ("rm", "busy"): 'cannot remove container "/busy": container is paused and must be unpaused first',

    }.items():  # fmt: skip
        assert engine(*words).stderr.decode() == f"minidock: {error}\n"
    assert ok("unpause", "busy") == "busy\n"
    eventually(lambda: read(f"{shared}/count") != counted)
    assert b"is not paused" in engine("unpause", "busy").stderr


@pytest.mark.parametrize("words", [("stop", "-t", "5"), ("kill",), ("rm", "-f"), ("restart",)])
def test_what_is_paused_can_be_ended(ok: Callable[..., str], containers: Containers, words: tuple[str, ...]) -> None:
    background(ok, containers, PATIENT, "--name", "frozen")
    ok("pause", "frozen")
    ok(*words, "frozen")
    status = {"rm": None, "restart": "running"}.get(words[0], "exited")
    assert (state(containers)["status"] if containers.records() else None) == status


def test_rename_while_it_runs_is_not_undone_by_its_end(
    engine: Minidock, ok: Callable[..., str], containers: Containers
) -> None:
    background(ok, containers, PATIENT, "--name", "old")
    assert ok("rename", "old", "new") == ""
    ok("run", "-d", "--name", "old", "--network", "none", "alpine", "sleep", "1000")  # the name is free
    refused = engine("rename", "old", "new")
    assert b'Conflict. The container name "/new" is already in use by container' in refused.stderr
    assert refused.returncode == 1
    ok("stop", "new")
    assert {record["name"] for record in containers.records()} == {"old", "new"}


def test_of_several_each_is_done_on_its_own(engine: Minidock, ok: Callable[..., str], containers: Containers) -> None:
    background(ok, containers, PATIENT, "--name", "one")
    background(ok, containers, PATIENT, "--name", "two")
    for command, error in (("pause", 1), ("unpause", 1), ("restart", 1), ("stop", 1), ("start", 1), ("kill", 1)):
        done = engine(command, "one", "nobody", "two")
        assert (done.returncode, done.stdout) == (error, b"one\ntwo\n"), command
        prefix = b"cannot kill container: nobody: " if command == "kill" else b""
        assert done.stderr == b"minidock: " + prefix + b"No such container: nobody\n"


def test_rm_refuses_what_runs_and_with_f_takes_it(
    engine: Minidock, ok: Callable[..., str], containers: Containers
) -> None:
    background(ok, containers, PATIENT, "--name", "runs")
    refused = engine("rm", "runs")
    assert refused.stderr.decode() == (
        'minidock: cannot remove container "/runs": container is running: stop the container before removing or force '
        "remove\n"
    )
    assert refused.returncode == 1
    assert ok("rm", "-f", "runs") == "runs\n"
    assert not containers.records()


def test_a_killed_monitor_takes_the_container_along_and_no_command_lies(
    ok: Callable[..., str], containers: Containers
) -> None:
    record = background(ok, containers, PATIENT, "--name", "orphan")
    os.kill(record["state"]["monitor"], signal.SIGKILL)
    eventually(lambda: not containers.processes())
    assert ok("ps", "-q") == ""
    assert ok("wait", "orphan") == "137\n"
    assert (state(containers)["status"], state(containers)["error"]) == ("exited", "its monitor was killed")
    ok("start", "orphan")
    assert state(containers)["status"] == "running"


def test_a_monitor_killed_while_somebody_stops_its_container(
    engine: Minidock, ok: Callable[..., str], containers: Containers
) -> None:
    record = background(ok, containers, DEAF, "--name", "orphan")
    stopping = engine.start("stop", "-t", "1000", "orphan", stdout=subprocess.PIPE)
    eventually(lambda: "told" in ok("logs", "orphan"))
    os.kill(record["state"]["monitor"], signal.SIGKILL)
    assert stopping.communicate(timeout=30)[0] == b"orphan\n"
    assert state(containers)["exitCode"] == 137


def test_after_a_reboot_everything_has_exited(ok: Callable[..., str], containers: Containers) -> None:
    """The record of a container whose machine was switched off: the kernel's boot id is another one now."""
    record = background(ok, containers, PATIENT, "--name", "old")
    os.kill(record["state"]["monitor"], signal.SIGKILL)
    eventually(lambda: not containers.processes())
    path = containers.directory / record["id"] / "container.json"
    record["state"] |= {"boot": "an-older-one", "pid": os.getpid()}
    path.write_text(json.dumps(record))
    ok("ps")
    assert (state(containers)["status"], state(containers)["exitCode"]) == ("exited", 255)


def test_events_tell_the_life(ok: Callable[..., str], containers: Containers) -> None:
    record = background(ok, containers, PATIENT, "--name", "told")
    ok("pause", "told")
    ok("unpause", "told")
    ok("rename", "told", "retold")
    ok("stop", "retold")
    ok("rm", "retold")
    rows = map(json.loads, (containers.directory.parent / "events.log").read_text().splitlines())
    actions = [row["action"] for row in rows if row["id"] == record["id"]]
    assert actions == ["create", "start", "pause", "unpause", "rename", "kill", "die", "stop", "destroy"]


def test_the_socket_goes_with_the_container(engine: Minidock, ok: Callable[..., str], containers: Containers) -> None:
    background(ok, containers, PATIENT, "--name", "one")
    assert len(list(Path(engine.run, "containers").iterdir())) == 1
    ok("stop", "one")
    assert not list(Path(engine.run, "containers").iterdir())
