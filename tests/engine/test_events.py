"""`minidock events`: what is told, in which form, to whom; and a log of it that survives everybody writing at once."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from minidock.engine.events import event_log, event_reader
from tests.engine.containers import Containers, eventually
from tests.support.command import Minidock
from tests.support.machine import open_files

NANOSECONDS = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}(Z|[+-]\d\d:\d\d)"


@pytest.fixture
def told(engine: Minidock) -> Iterator[Callable[..., list[dict[str, Any]]]]:
    """`told("--filter", "type=image")`: the events since the test began, as JSON."""
    began = f"{time.time():.9f}"

    def told(*words: str) -> list[dict[str, Any]]:
        done = engine("events", "--since", began, "--until", f"{time.time():.9f}", "--format", "json", *words)
        assert (done.returncode, done.stderr) == (0, b"")
        return [json.loads(line) for line in done.stdout.splitlines()]

    yield told
    engine("rm", "-f", "web")


def actions(found: list[dict[str, Any]]) -> list[str]:
    return [f"{event['Type']} {event['Action']}" for event in found if event["Type"] != "network"]


def first(found: list[dict[str, Any]], action: str) -> dict[str, str]:
    """The attributes of the first event of a kind."""
    return next(event["Actor"]["Attributes"] for event in found if event["Action"] == action)


def test_the_life_of_a_container(ok: Callable[..., str], told: Callable[..., list[dict[str, Any]]]) -> None:
    container_id = ok("run", "-d", "--name", "web", "-l", "a=b", "alpine", "sleep", "1000").strip()
    ok("pause", "web")
    ok("unpause", "web")
    ok("kill", "-s", "USR1", "web")
    ok("top", "web")
    ok("rename", "web", "other")
    ok("rename", "other", "web")
    ok("stop", "-t", "0", "web")
    ok("rm", "web")
    found = told("--filter", f"container={container_id[:12]}")
    assert actions(found) == [
        f"container {action}" for action in ("create", "start", "pause", "unpause", "kill", "top", "rename", "rename",
                                             "kill", "kill", "die", "stop", "destroy")
    ]  # fmt: skip
    created = found[0]
    assert list(created) == ["status", "id", "from", "Type", "Action", "Actor", "scope", "time", "timeNano"]
    assert created["Actor"] == {"ID": container_id, "Attributes": {"a": "b", "image": "alpine", "name": "web"}}
    assert (created["status"], created["id"], created["from"], created["scope"]) == (
        "create", container_id, "alpine", "local",
    )  # fmt: skip
    assert created["time"] == created["timeNano"] // 10**9
    assert first(found, "die")["exitCode"] == "137"
    assert 0 <= int(first(found, "die")["execDuration"]) <= found[-1]["time"] - created["time"]
    assert first(found, "kill")["signal"] == str(int(signal.SIGUSR1))
    assert first(found, "rename")["oldName"] == "/web"


def test_images(ok: Callable[..., str], told: Callable[..., list[dict[str, Any]]], tmp_path: Path) -> None:
    image_id = ok("inspect", "-f", "{{.Id}}", "alpine").strip()
    ok("tag", "alpine", "events-test:1")
    ok("save", "-o", str(tmp_path / "image.tar"), "events-test:1")
    ok("rmi", "events-test:1")
    ok("load", "-i", str(tmp_path / "image.tar"))
    ok("rmi", "events-test:1")
    found = [event for event in told("--filter", "type=image") if event["id"] == image_id]
    assert [event["Action"] for event in found] == ["tag", "save", "untag", "load", "untag"]
    assert found[0]["Actor"]["Attributes"] == {"name": "events-test:1"}
    assert "from" not in found[0]
    assert [event["Action"] for event in told("--filter", "image=events-test")] == ["tag"]


def test_text_and_templates(ok: Callable[..., str], told: Callable[..., list[dict[str, Any]]]) -> None:
    began = f"{time.time():.9f}"
    container_id = ok("create", "--name", "web", "-l", "z=1", "-l", "a=2", "alpine").strip()
    window = ("--since", began, "--until", f"{time.time():.9f}", "--filter", "type=container")
    line = ok("events", *window)
    assert re.fullmatch(f"{NANOSECONDS} container create {container_id} \\(a=2, image=alpine, name=web, z=1\\)\n", line)
    template = "{{.Type}} {{.Action}} {{.Actor.Attributes.name}} {{.Actor.Attributes.nope}} {{.ID}} {{.From}}"
    assert ok("events", *window, "--format", template) == f"container create web <no value> {container_id} alpine\n"
    template = '[{{index .Actor.Attributes "nope"}}]'
    assert ok("events", *window, "--filter", "", "--format", template) == "[]\n"


LIFE = ["create", "start", "die", "destroy"]
# Filters, and the actions that pass.
FILTERS: list[tuple[list[str], list[str]]] = [
    (["type=container", "event=die"], ["die"]),
    (["event=create", "event=die"], ["create", "die"]),
    (["container=web"], LIFE),
    (["container=nosuch"], []),
    (["label=a"], LIFE),
    (["label=a=b", "label=c"], []),
    (["image=alpine", "type=container"], LIFE),
    (["scope=swarm"], []),
    (["daemon=x"], []),
]


def test_filters(ok: Callable[..., str], told: Callable[..., list[dict[str, Any]]]) -> None:
    ok("run", "-d", "--rm", "--name", "web", "--network", "none", "-l", "a=b", "alpine", "true")
    eventually(lambda: any(event["Action"] == "destroy" for event in told()))
    for filters, expected in FILTERS:
        words = [word for text in filters for word in ("--filter", text)]
        assert [event["Action"] for event in told(*words)] == expected, filters


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (["--filter", "nosuch=1"], 1, "invalid filter 'nosuch'"),
        (["--filter", "x"], 125, 'invalid argument "x" for "-f, --filter" flag: bad format of filter'),
        (["--since", "1m", "--until", "2m"], 1, "`since` time ("),
        (["--since", "foo"], 1, 'invalid value for "since": failed to parse value as time or duration: "foo"'),
        (["--format", "{{.Nope"], 64, "Error parsing format: template: :1: unclosed action"),
        (["--format", "{{.Nope}}"], 64, "can't evaluate field Nope in type *events.Message"),
    ],
)
def test_bad_input(engine: Minidock, words: list[str], code: int, why: str) -> None:
    done = engine("events", "--until", "1s", *words)
    assert done.returncode == code
    assert why in done.stderr.decode()


def test_new_events_come_as_they_happen(engine: Minidock, ok: Callable[..., str], containers: Containers) -> None:
    with engine.start("events", "--filter", "type=image", "--format", "{{.Action}}", stdout=subprocess.PIPE) as watcher:
        eventually(lambda: "inotify" in " ".join(open_files(watcher.pid)))
        ok("tag", "alpine", "events-test:2")
        assert watcher.stdout.readline() == b"tag\n"
        ok("rmi", "events-test:2")
        assert watcher.stdout.readline() == b"untag\n"
        watcher.send_signal(signal.SIGINT)
        assert watcher.wait(20) == 130


def test_until_ends(engine: Minidock) -> None:
    done = engine("events", "--until", f"{time.time() + 0.5:.3f}", timeout=20)
    assert (done.returncode, done.stdout) == (0, b"")


def emitted(root: Path) -> list[dict[str, Any]]:
    return list(event_reader.read(str(root), 0, time.time_ns()))  # up to now: only what is there


def test_nothing_is_lost_when_all_write_at_once(tmp_path: Path) -> None:
    writers = []
    for writer in range(8):
        if (pid := os.fork()) == 0:
            for number in range(200):
                event_log.emit(str(tmp_path), "volume", "create", f"{writer}-{number}", driver="local")
            os._exit(0)
        writers.append(pid)
    for pid in writers:
        assert os.waitpid(pid, 0)[1] == 0
    lines = [json.loads(line) for line in Path(event_log.path(str(tmp_path))).read_text().splitlines()]
    assert len(lines) == 8 * 200
    assert len({line["id"] for line in lines}) == 8 * 200
    assert [line["timeNano"] for line in lines] == sorted(line["timeNano"] for line in lines)


def test_a_stopped_writer_stops_nobody_else(tmp_path: Path) -> None:
    event_log.emit(str(tmp_path), "volume", "create", "first")
    with open(event_log.path(str(tmp_path)), "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # as a process has it that was stopped while it wrote
        event_log.emit(str(tmp_path), "volume", "create", "second")
    assert [event["id"] for event in emitted(tmp_path)] == ["first", "second"]


def test_the_log_is_bounded_and_read_over_its_rotation(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    if (pid := os.fork()) == 0:
        os.close(reading)
        for seen, event in enumerate(event_reader.read(str(tmp_path), 0, None)):
            if event["attributes"]["number"] != str(seen):
                break
            if seen == 1499:
                os.write(writing, b"all")
                os._exit(0)
        os._exit(1)
    os.close(writing)
    for number in range(1500):
        event_log.emit(str(tmp_path), "container", "start", "x", number=number, padding="x" * 5000)
        time.sleep(0.0005)
    assert os.read(reading, 3) == b"all"
    assert os.waitpid(pid, 0)[1] == 0
    os.close(reading)
    sizes = [path.stat().st_size for path in tmp_path.iterdir()]
    assert len(sizes) == 2
    assert sum(sizes) < 9 << 20
