"""`import minidock`: what the commands do, from a Python program."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import minidock
from minidock.errors import ConflictError, MinidockError, NotFoundError
from minidock.sdk.client import Client
from minidock.sdk.containers import Container, ContainerError
from tests.support.command import Minidock

PAGE = Path(__file__).parents[2] / "docs" / "python.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.fixture
def client(engine: Minidock, monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setenv("MINIDOCK_RUN", str(engine.run))
    return Client(str(engine.root))


@pytest.fixture
def box(client: Client) -> Iterator[Container]:
    found = client.run("alpine", "sleep 300", detach=True, network="none", label={"kind": "box"}, cap_drop=["ALL"])
    assert isinstance(found, Container)
    yield found
    found.remove(force=True)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_what_the_page_shows_does_what_it_says(engine: Minidock, number: int) -> None:
    """What stands behind "# " on a line with one print is what is printed, where it is no sentence."""
    code = EXAMPLES[number]
    done = subprocess.run(
        [sys.executable, "-c", code], env=engine.environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    expected = [line.partition("  # ")[2] for line in code.splitlines() if line.lstrip().startswith("print(")]
    for text in expected:
        if text.startswith(('b"', "Output", '["', "1 b")):
            assert text.replace('"', "'") in done.stdout


def test_a_container_through_its_life(client: Client, box: Container) -> None:
    assert (box.status, os.path.exists(f"/proc/{box.pid}")) == ("running", True)
    assert Path(f"/proc/{box.pid}/status").read_text().count("CapBnd:\t0000000000000000") == 1
    assert client.containers.get(box.name) == box
    assert client.containers.list(filters={"label": "kind=box"}) == [box]
    assert box.exec("sh -c 'echo out; echo err >&2; exit 3'") == (3, b"out\n", b"err\n")
    assert box.exec(["cat"], input=b"\x00in") == (0, b"\x00in", b"")
    box.exec(["sh", "-c", "echo told > /proc/1/fd/1; touch /new"])
    box.pause()
    assert box.status == "paused"
    box.unpause()
    box.stop(0)
    assert (box.wait(), box.status, box.pid) == (137, "exited", 0)
    assert b"".join(box.logs()) == b"told\n"
    assert ("A", "/new") in box.changes()
    assert client.containers.list(filters={"label": "kind=box"}) == []
    assert client.containers.list(all=True, filters={"label": "kind=box"}) == [box]


def test_threads_can_use_it(client: Client, box: Container) -> None:
    """Starting one means to hand over signals, which only a program's main thread may."""
    box.stop(0)
    seen: list[object] = []
    thread = threading.Thread(target=lambda: (box.start(), seen.append(box.status)))
    thread.start()
    thread.join(60)
    assert seen == ["running"]


def test_what_fails_says_so_as_the_commands_do(
    client: Client, box: Container, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ContainerError) as failed:
        client.run("alpine", "sh -c 'echo why >&2; exit 7'", rm=True, network="none")
    assert (failed.value.exit_code, failed.value.output.stderr) == (7, b"why\n")
    with pytest.raises(ContainerError, match="unknown flag: --nosuch"):
        client.run("alpine", "true", nosuch=True)
    with pytest.raises(NotFoundError, match="No such container: nosuch"):
        client.containers.get("nosuch")
    with pytest.raises(NotFoundError):
        client.images.get("nosuch:1")
    with pytest.raises(MinidockError, match="is already in use"):
        client.containers.create("alpine", "true", name=box.name)
    with pytest.raises(ConflictError):
        client.networks.get("bridge").remove()
    assert capfd.readouterr() == ("", "")  # a library prints nothing


def test_a_log_is_followed_until_the_end(client: Client) -> None:
    found = client.run("alpine", "sh -c 'echo one; sleep 0.5; echo two'", detach=True, network="none")
    assert isinstance(found, Container)
    assert b"".join(found.logs(follow=True)) == b"one\ntwo\n"
    found.remove()


def test_networks_and_volumes(client: Client, box: Container) -> None:
    net = client.networks.create("library", subnet="10.213.7.0/24", label={"a": "b"})
    try:
        assert net.attrs["IPAM"]["Config"][0]["Subnet"] == "10.213.7.0/24"
        assert net in client.networks.list(filters={"label": "a=b"})
        other = client.containers.create("alpine", "true")
        net.connect(other)
        net.disconnect(other)
        other.remove()
    finally:
        net.remove()
    volume = client.volumes.create("library", labels={"a": "b"})
    assert os.path.isdir(volume.path)
    assert client.volumes.list(filters={"label": "a=b"}) == [volume]
    volume.remove()
    with pytest.raises(NotFoundError):
        client.volumes.get("library")


def test_a_build_tells_each_line_and_a_failed_one_raises(client: Client, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM alpine\nARG CODE\nRUN exit $CODE\n")
    told: list[str] = []
    image = client.images.build(
        str(tmp_path), progress=told.append, tag="library:1", build_arg={"CODE": "0"}, network="none"
    )
    assert image.tags == ["library:1"]
    assert any("RUN exit $CODE" in line for line in told)
    image.remove()
    with pytest.raises(MinidockError, match="exit code: 4"):
        client.images.build(str(tmp_path), build_arg={"CODE": "4"}, network="none")


def test_events_up_to_a_moment(client: Client) -> None:
    begin = time.time()
    client.run("alpine", "true", rm=True, network="none")
    seen = [event["action"] for event in client.events(since=begin, until=time.time(), filters={"type": "container"})]
    assert seen == ["create", "attach", "start", "die", "destroy"]


def test_whoever_does_not_use_it_does_not_load_it() -> None:
    code = "import sys, minidock; print([name for name in sys.modules if name.startswith('minidock')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['minidock']\n"
    assert not hasattr(minidock, "nosuch")
