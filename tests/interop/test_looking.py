"""The same containers in docker and in minidock, looked at with the same commands: scripts see the same."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import Minidock

pytestmark = pytest.mark.interop

Words = tuple[str, ...]
Both = Callable[..., tuple[str, str]]

RICH = ("-l", "a=b", "-l", "c=x y", "-e", "A=1", "-v", "looking:/data", "-v", "/usr/share:/host:ro", "--tmpfs", "/t",
        "--ulimit", "nofile=100:200", "--health-cmd", "true", "--health-interval", "1s", "--restart", "on-failure:2",
        "--log-opt", "max-size=10m", "--expose", "90-92", "--cap-add", "NET_ADMIN", "--init", "-w", "/tmp")  # fmt: skip
# What only minidock has: more than docker is no harm to a script.
OURS = {".OCIConfigPath", ".Config.StopSignal"} | {
    f".NetworkSettings.Networks.bridge.{name}"
    for name in ("DNSNames", "GwPriority")  # newer dockers have them
}


@pytest.fixture
def both(docker: list[str], minidock: Minidock) -> Iterator[Both]:
    """What a command prints in docker and in minidock; it has to succeed in both."""

    def both(*words: str) -> tuple[str, str]:
        theirs = subprocess.run([*docker, *words], capture_output=True, timeout=60, check=False)
        ours = minidock(*words)
        assert (theirs.returncode, ours.returncode) == (0, 0), (theirs.stderr, ours.stderr)
        return theirs.stdout.decode(), ours.stdout.decode()

    yield both
    for program in (docker, [*minidock.program]):
        for clean in (["rm", "-f", "looking"], ["volume", "rm", "-f", "looking"]):
            subprocess.run([*program, *clean], capture_output=True, env=minidock.environment, check=False)


def keys(value: Any, path: str = "") -> Iterator[str]:
    """All keys below a value, as paths; of a list's elements the first one's stand for all."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield f"{path}.{key}"
            yield from keys(one, f"{path}.{key}")
    elif isinstance(value, list) and value:
        yield from keys(value[0], f"{path}[]")


def types(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """The type of everything that is not null."""
    if value is not None:
        yield path, type(value).__name__
    if isinstance(value, dict):
        for key, one in value.items():
            yield from types(one, f"{path}.{key}")


@pytest.mark.parametrize("options", [(), RICH])
@pytest.mark.parametrize("running", [True, False])
def test_inspect_has_docker_s_keys(both: Both, options: Words, running: bool) -> None:
    start = ("run", "-d") if running else ("create",)
    both(*start, "--name", "looking", *options, "alpine", "sleep", "1000")
    if options and running:
        deadline = time.monotonic() + 20
        while set(both("inspect", "-f", "{{.State.Health.Status}}", "looking")) != {"healthy\n"}:
            assert time.monotonic() < deadline
    theirs, ours = (json.loads(text)[0] for text in both("inspect", "--size", "looking"))
    for found in (theirs, ours):
        found["Mounts"].sort(key=lambda mount: mount["Destination"])
    assert set(keys(theirs)) - set(keys(ours)) == set()
    assert set(keys(ours)) - set(keys(theirs)) - OURS == set()
    of_theirs, of_ours = dict(types(theirs)), dict(types(ours))
    assert {path for path in of_theirs.keys() & of_ours.keys() if of_theirs[path] != of_ours[path]} == set()
    same = ("Path", "Args", "RestartCount", "Name", "Platform", "Driver")
    assert {key: ours[key] for key in same} == {key: theirs[key] for key in same}
    for key in ("RestartPolicy", "LogConfig", "PortBindings", "Ulimits", "CapAdd", "Memory", "ShmSize", "Tmpfs", "Init",
                "IpcMode", "AutoRemove", "Privileged", "ReadonlyRootfs"):  # fmt: skip
        assert ours["HostConfig"].get(key) == theirs["HostConfig"].get(key)
    assert ours["Config"]["WorkingDir"] == theirs["Config"]["WorkingDir"] or not options  # the image's, which has one
    for key in ("Cmd", "Labels", "Tty", "OpenStdin", "StdinOnce", "AttachStdout", "Image", "Volumes",
                "User", "Entrypoint", "ExposedPorts", "Healthcheck"):  # fmt: skip
        assert ours["Config"].get(key) == theirs["Config"].get(key)
    for key in ("Destination", "Type", "RW", "Mode", "Propagation"):
        assert [mount[key] for mount in ours["Mounts"]] == [mount[key] for mount in theirs["Mounts"]]


TEMPLATES = [
    "{{.State.Running}} {{.Name}} {{.Config.Labels.nope}} {{index .Config.Labels \"a\"}}",
    "{{range $k, $v := .Config.Labels}}{{$k}}={{$v}};{{end}}{{with .State}}{{.Status}}{{end}}",
    "{{json .Config.Cmd}} {{.Args}} {{len .Args}} {{join .Args \",\"}} {{.HostConfig.Binds}} {{.HostConfig.PidsLimit}}",
    "{{if and .State.Running (eq .State.ExitCode 0)}}good{{else}}bad{{end}} {{printf \"%.4s|%5d\" .Path 7}}",
    "{{.HostConfig.RestartPolicy}} {{.HostConfig.RestartPolicy.Name}} {{.Config.Labels}} {{.State.Health}}",
    "{{range .Mounts}}{{.Destination}}{{else}}none{{end}} {{split .Name \"/\"}} {{upper .Path}}",
    "{{.Foo}}", "{{.State.Foo}}", "{{.State", "{{nope .}}", "{{index .Args 7}}", "{{.Name.x}}", "{{if .Name}}",
]  # fmt: skip


def test_templates(docker: list[str], minidock: Minidock, both: Both) -> None:
    both("run", "-d", "--name", "looking", "-l", "a=b", "-l", "b=c", "alpine", "sleep", "1000")
    for template in TEMPLATES:
        words = ("inspect", "-f", template, "looking")
        theirs = subprocess.run([*docker, *words], capture_output=True, timeout=60, check=False)
        ours = minidock(*words)
        assert (ours.returncode, ours.stdout) == (theirs.returncode, theirs.stdout), template
        assert ours.stderr.decode().removeprefix("minidock: ").strip() == theirs.stderr.decode().strip()


def test_ps(both: Both) -> None:
    form = "{{.Names}}|{{.State}}|{{.Command}}|{{.Ports}}|{{.Labels}}|{{.LocalVolumes}}|{{.Networks}}|{{.Image}}"
    words = ("ps", "-a", "--filter", "name=looking")

    def same() -> str:
        theirs, ours = both(*words, "--format", form)
        assert ours == theirs
        theirs, ours = (re.sub(r"Less than a second|\d+ seconds?", "AGE", t) for t in both(*words, "--format",
                                                                                           "{{.Status}}"))  # fmt: skip
        assert ours == theirs
        theirs, ours = both(*words)
        assert re.split(" {3,}", ours.splitlines()[0]) == re.split(" {3,}", theirs.splitlines()[0])
        return ours

    both("create", "--name", "looking", "-v", "looking:/data", "--expose", "90-92", "-l", "a=b", "alpine", "sh", "-c",
         "trap 'exit 3' TERM; echo 'a' \"b\"; sleep 1000 & wait")  # fmt: skip
    assert "Created" in same()
    both("start", "looking")
    assert "Up" in same()
    both("pause", "looking")
    assert "(Paused)" in same()
    both("unpause", "looking")
    both("stop", "looking")
    assert "Exited (3)" in same()
    theirs, ours = both(*words, "--format", "json")
    assert sorted(json.loads(ours)) == sorted(json.loads(theirs))


def test_logs_are_the_same_files(docker: list[str], minidock: Minidock, both: Both) -> None:
    script = r"""printf 'a\tb "c" \\ <d> & \377\303 \303\251 \342\200\250 \001\r\n'; echo err >&2; sleep 0.2
                 head -c 40000 /dev/zero | tr '\0' x; printf '\n\nend'"""
    both("run", "-d", "--name", "looking", "--log-opt", "labels=a", "-l", "a=x", "alpine", "sh", "-c", script)
    both("wait", "looking")
    theirs, ours = (Path(text.strip()).read_bytes() for text in both("inspect", "-f", "{{.LogPath}}", "looking"))

    def timeless(text: bytes) -> list[bytes]:
        lines = [re.sub(rb'"time":"[^"]*"', b'"time":"T"', line) for line in text.splitlines()]
        return [line for line in lines if b"stderr" not in line] + [line for line in lines if b"stderr" in line]

    assert timeless(ours) == timeless(theirs)
    for words in ((), ("--tail", "1"), ("--details",), ("--since", "1h", "-n", "2"), ("--until", "1h")):
        theirs_shown, ours_shown = both("logs", *words, "looking")
        assert ours_shown == theirs_shown


def test_events(docker: list[str], minidock: Minidock, both: Both) -> None:
    began = f"{time.time():.9f}"
    both("create", "--name", "looking", "-l", "a=b", "--network", "none", "alpine", "sleep", "1000")
    both("start", "looking")
    both("pause", "looking")
    both("unpause", "looking")
    both("rename", "looking", "looking2")
    both("rename", "looking2", "looking")
    both("kill", "-s", "KILL", "looking")
    both("wait", "looking")
    both("rm", "looking")
    words = ("events", "--since", began, "--until", f"{time.time() + 0.5:.9f}", "--filter", "type=container")
    theirs, ours = ([json.loads(line) for line in text.splitlines()] for text in both(*words, "--format", "{{json .}}"))

    def told(events: list[dict[str, Any]]) -> list[Any]:
        for event in events:
            event["Actor"]["Attributes"].pop("execDuration", None)  # seconds; docker has it since 23.0
        rows = [(e["status"], e["from"], list(e), e["Actor"]["Attributes"]) for e in events]
        either_first = ("kill", "die")
        ordered = [row for row in rows if row[0] not in either_first]
        return ordered + sorted((row for row in rows if row[0] in either_first), key=lambda row: row[0])

    assert told(ours) == told(theirs)


def test_top_and_stats(both: Both) -> None:
    both("run", "-d", "--name", "looking", "alpine", "sleep", "1234567")
    for words in ((), ("aux",), ("-o", "pid,comm,args")):
        theirs, ours = both("top", "looking", *words)
        assert ours.splitlines()[0] == theirs.splitlines()[0]
        assert len(ours.splitlines()) == len(theirs.splitlines()) == 2
        assert ours.splitlines()[1].split()[-2:] == theirs.splitlines()[1].split()[-2:]
    theirs, ours = both("stats", "--no-stream", "looking")
    assert re.split(" {3,}", ours.splitlines()[0]) == re.split(" {3,}", theirs.splitlines()[0])
    theirs, ours = both("stats", "--no-stream", "--format", "{{json .}}", "looking")
    assert sorted(json.loads(ours)) == sorted(json.loads(theirs))
    assert json.loads(ours)["PIDs"] == json.loads(theirs)["PIDs"] == "1"
