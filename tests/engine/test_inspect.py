"""`minidock inspect`: docker's keys with true values, templates, and every kind of thing."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.engine.containers import Containers, eventually
from tests.support.command import Minidock
from tests.support.machine import open_files

Ok = Callable[..., str]

pytestmark = pytest.mark.usefixtures("no_containers_afterwards")


def inspect(ok: Ok, *words: str) -> dict[str, Any]:
    (found,) = json.loads(ok("inspect", *words))
    return dict(found)


def test_a_container_that_runs(ok: Ok) -> None:
    container_id = ok("run", "-d", "--name", "web", "--log-opt", "max-size=10m", "--restart", "on-failure:3", "-p",
                      "127.0.0.1:18081:80", "-l", "a=b", "-e", "A=1", "-w", "/tmp", "-u", "nobody",
                      "--stop-timeout", "7", "alpine", "sleep", "1000").strip()  # fmt: skip
    found = inspect(ok, "web")
    state = found["State"]
    assert (found["Id"], found["Name"], found["RestartCount"]) == (container_id, "/web", 0)
    assert (found["Path"], found["Args"], found["Config"]["Cmd"]) == ("sleep", ["1000"], ["sleep", "1000"])
    assert (state["Status"], state["Running"], state["Paused"], state["ExitCode"]) == ("running", True, False, 0)
    assert os.readlink(f"/proc/{state['Pid']}/exe") == "/bin/busybox"
    assert state["FinishedAt"] == "0001-01-01T00:00:00Z" < state["StartedAt"]
    assert os.path.getsize(found["LogPath"]) == 0
    host = found["HostConfig"]
    assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-size": "10m"}}
    assert host["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 3}
    assert host["PortBindings"] == {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "18081"}]}
    config = found["Config"]
    assert (config["Env"][0], config["WorkingDir"], config["User"]) == ("A=1", "/tmp", "nobody")
    assert config["StopTimeout"] == 7
    assert (config["Hostname"], config["Labels"], config["Image"]) == (container_id[:12], {"a": "b"}, "alpine")
    assert config["ExposedPorts"] == {"80/tcp": {}}
    settings = found["NetworkSettings"]
    assert settings["Ports"] == {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "18081"}]}
    bridge = settings["Networks"]["bridge"]
    assert bridge["IPAddress"] == settings["IPAddress"]
    assert f"inet {bridge['IPAddress']}/{bridge['IPPrefixLen']} " in ok("exec", "web", "ip", "-4", "addr")
    assert bridge["MacAddress"] in ok("exec", "web", "ip", "link")
    assert os.readlink(settings["SandboxKey"]) == os.readlink(f"/proc/{state['Pid']}/ns/net")


def test_the_states(ok: Ok) -> None:
    def state(*keys: str) -> list[Any]:
        found = inspect(ok, "one")["State"]
        return [found[key] for key in keys]

    ok("create", "--name", "one", "--network", "none", "alpine", "sh", "-c", "sleep 1000")
    keys = ("Status", "Running", "Paused", "Restarting", "Pid", "ExitCode")
    assert state(*keys) == ["created", False, False, False, 0, 0]
    assert inspect(ok, "one")["LogPath"] == ""
    assert inspect(ok, "one")["Config"]["Cmd"] == ["sh", "-c", "sleep 1000"]
    ok("start", "one")
    ok("pause", "one")
    assert state(*keys[:4]) == ["paused", True, True, False]
    ok("unpause", "one")
    ok("kill", "one")
    ok("wait", "one")
    assert state(*keys) == ["exited", False, False, False, 0, 137]
    assert inspect(ok, "one")["NetworkSettings"]["Networks"]["none"]["IPAddress"] == ""


def test_sizes(ok: Ok) -> None:
    ok("run", "--name", "one", "--network", "none", "alpine", "sh", "-c", "head -c 5000 /dev/zero > /f; ln /f /g")
    found = inspect(ok, "--size", "one")
    assert found["SizeRw"] == 5000
    assert found["SizeRootFs"] - 5000 == int(ok("inspect", "-f", "{{.Size}}", "alpine"))
    assert "SizeRw" not in inspect(ok, "one")


def test_every_kind(ok: Ok, engine: Minidock) -> None:
    ok("create", "--name", "one", "--network", "none", "alpine", "true")
    ok("volume", "create", "one")
    assert "State" in inspect(ok, "one")
    assert inspect(ok, "--type", "volume", "one")["Driver"] == "local"
    assert inspect(ok, "bridge")["Scope"] == "local"
    image = inspect(ok, "alpine")
    assert image["RepoTags"] == ["alpine:latest"]
    ok("volume", "rm", "one")
    for words, why in (
        (["inspect", "nosuch"], "No such object: nosuch"),
        (["inspect", "--type", "container", "nosuch"], "No such container: nosuch"),
        (["container", "inspect", "nosuch"], "No such container: nosuch"),
        (["inspect", "--type", "network", "nosuch"], "network nosuch not found"),
        (["inspect", "--type", "volume", "nosuch"], "get nosuch: no such volume"),
        (["image", "inspect", "nosuch"], "No such image: nosuch:latest"),
    ):
        done = engine(*words)
        assert (done.returncode, done.stdout, done.stderr.decode()) == (1, b"[]\n", f"minidock: {why}\n")
    done = engine("inspect", "--type", "nosuch", "one")
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.startswith(b'minidock: unknown type: "nosuch": must be one of "container"')
    assert engine("inspect").returncode == 1


def test_templates(ok: Ok, engine: Minidock) -> None:
    for name in ("one", "two"):
        ok("create", "--name", name, "-l", f"is={name}", "--network", "none", "alpine", "true")
    assert ok("inspect", "-f", '{{.Name}} {{index .Config.Labels "is"}}', "one", "two") == "/one one\n/two two\n"
    assert json.loads(ok("inspect", "-f", "json", "one")) == json.loads(ok("inspect", "one"))
    assert ok("inspect", "-f", "{{.HostConfig.Binds}}{{.HostConfig.PidsLimit}}", "one") == "[]<nil>\n"
    done = engine("inspect", "-f", "{{.Name}}", "nosuch", "one")
    assert (done.returncode, done.stdout, done.stderr) == (1, b"/one\n", b"minidock: No such object: nosuch\n")
    done = engine("inspect", "-f", "{{.State.Foo}}", "one")
    assert (done.returncode, done.stdout, done.stderr.decode()) == (
        1, b"\n", 'minidock: template parsing error: template: :1:8: executing "" at <.State.Foo>: '
                  'map has no entry for key "Foo"\n',
    )  # fmt: skip
    done = engine("inspect", "-f", "{{.State", "one")
    assert (done.returncode, done.stdout, done.stderr) == (
        64, b"", b"minidock: template parsing error: template: :1: unclosed action\n",
    )  # fmt: skip


def test_exec_ids(ok: Ok, engine: Minidock) -> None:
    began = f"{time.time():.9f}"
    ok("run", "-d", "--name", "one", "--network", "none", "alpine", "sleep", "1000")
    assert ok("inspect", "-f", "{{json .ExecIDs}}", "one") == "null\n"
    ok("exec", "-d", "one", "sleep", "1000")
    (exec_id,) = eventually(lambda: json.loads(ok("inspect", "-f", "{{json .ExecIDs}}", "one")))
    ok("exec", "one", "pkill", "-f", "-n", "sleep")
    eventually(lambda: ok("inspect", "-f", "{{json .ExecIDs}}", "one") == "null\n")
    assert engine("exec", "one", "sh", "-c", "exit 3").returncode == 3
    told = ok("events", "--since", began, "--until", f"{time.time():.9f}", "--filter", "container=one", "--filter",
              "event=exec_create", "--filter", "event=exec_start", "--filter", "event=exec_die", "--format",
              "{{.Action}}|{{.Actor.Attributes.execID}}|{{.Actor.Attributes.exitCode}}").splitlines()  # fmt: skip
    rows = [line.split("|") for line in told]
    assert [row[0] for row in rows if row[1] == exec_id] == [
        "exec_create: sleep 1000", "exec_start: sleep 1000", "exec_die",
    ]  # fmt: skip
    assert (rows[-1][0], rows[-1][2]) == ("exec_die", "3")


def test_a_keeper_that_was_killed_is_forgotten(ok: Ok, engine: Minidock, containers: Containers) -> None:
    ok("run", "-d", "--name", "one", "--network", "none", "alpine", "sleep", "1000")
    ok("exec", "-d", "one", "sleep", "1000")
    (exec_id,) = eventually(lambda: json.loads(ok("inspect", "-f", "{{json .ExecIDs}}", "one")))
    file = engine.run / "execs" / containers.records()[0]["id"] / exec_id
    (keeper,) = [pid for pid in containers.commands() if str(file) in open_files(pid)]
    os.kill(keeper, signal.SIGKILL)
    eventually(lambda: ok("inspect", "-f", "{{json .ExecIDs}}", "one") == "null\n")
    assert not file.exists()
