"""What holds where systemd owns the tree. Run by test_systemd.py, which boots one; or by hand on such a host."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.limits.containers import Running, cgroup_of, eventually, running, tree
from tests.support.command import Minidock

DELEGATED = {"cpu", "io", "memory", "pids"}


def systemctl(*arguments: str) -> str:
    return subprocess.run(["systemctl", *arguments], capture_output=True, text=True, check=True).stdout.strip()


def shown(unit: str, *names: str) -> dict[str, str]:
    lines = systemctl("show", unit, f"--property={','.join(names)}").splitlines()
    return dict(line.partition("=")[::2] for line in lines)


@pytest.fixture(scope="module", autouse=True)
def neighbour(minidock: Minidock) -> Iterator[Running]:
    """Another container that runs all the while, and comes to no harm."""
    with running(minidock) as container:
        yield container
        assert (container.read("cgroup.procs"), scopes()) == (str(container.pid), {scope_of(container).name})


def scopes() -> set[str]:
    """The scopes that there are of containers, in whatever state."""
    lines = systemctl("list-units", "--all", "--plain", "--no-legend", "minidock-*.scope").splitlines()
    return {line.split()[0] for line in lines}


def scope_of(container: Running) -> Path:
    assert container.cgroup.name == "container"
    return container.cgroup.parent


def handed_down(directory: Path) -> set[str]:
    return set((directory / "cgroup.subtree_control").read_text().split())


def test_a_container_is_in_a_scope_that_was_delegated(minidock: Minidock, neighbour: Running) -> None:
    with running(minidock, "-m", "64m", "--pids-limit", "20", script="cat /proc/self/cgroup") as container:
        scope = scope_of(container)
        assert scope.parent == tree() / "minidock.slice"
        unit = shown(scope.name, "ActiveState", "Delegate", "Slice", "ControlGroup", "Description", "TasksCurrent")
        assert (unit["ActiveState"], unit["Delegate"], unit["Slice"]) == ("active", "yes", "minidock.slice")
        assert tree() / unit["ControlGroup"].lstrip("/") == scope
        assert unit["Description"].startswith("minidock container ")
        assert (container.read("memory.max"), container.read("pids.max")) == (str(64 << 20), "20")
        assert container.said == ["0::/"]
        # No process where controllers are handed down; the monitor beside the container and not in it.
        assert (scope / "cgroup.procs").read_text() == ""
        (monitor,) = (scope / "monitor" / "cgroup.procs").read_text().split()
        assert Path(f"/proc/{container.pid}/status").read_text().count(f"\nPPid:\t{monitor}\n") == 1
    assert eventually(lambda: not scope.exists())
    assert scopes() == {scope_of(neighbour).name}


def test_what_systemd_does_meanwhile_leaves_the_limits_alone(minidock: Minidock) -> None:
    with running(minidock, "-m", "64m", "--cpus", "0.5") as container:
        systemctl("set-property", "--runtime", "minidock.slice", "MemoryMax=500M", "CPUWeight=50")
        systemctl("daemon-reload")
        assert (tree() / "minidock.slice" / "memory.max").read_text().strip() == str(500 << 20)
        assert (container.read("memory.max"), container.read("cpu.max")) == (str(64 << 20), "50000 100000")
        assert handed_down(scope_of(container)) >= DELEGATED
    systemctl("revert", "minidock.slice")


def test_a_parent_is_a_slice(minidock: Minidock) -> None:
    with running(minidock, "--cgroup-parent", "minidock-web-front.slice") as container:
        slices = "minidock.slice/minidock-web.slice/minidock-web-front.slice"
        assert scope_of(container).parent == tree() / slices
    systemctl("stop", "minidock-web.slice")  # slices stay as directories do, until nobody refers to them
    refused = minidock("run", "--rm", "--network", "none", "--cgroup-parent", "/mine", "busybox", "true")
    assert (refused.returncode, refused.stdout) == (125, b"")
    assert b"a --cgroup-parent is a slice such as my.slice, not /mine" in refused.stderr


def test_out_of_memory_is_recorded(minidock: Minidock) -> None:
    command = ("busybox", "dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=1")
    flags = ("--name", "thirsty", "--network", "none", "-m", "16m", "--memory-swap", "16m")
    assert minidock("run", *flags, *command).returncode == 137
    assert json.loads(minidock("inspect", "thirsty").stdout)[0]["State"]["OOMKilled"] is True
    minidock("rm", "thirsty")
    assert eventually(lambda: len(scopes()) == 1)
    assert systemctl("list-units", "--failed", "--plain", "--no-legend", "minidock*") == ""


@contextmanager
def kept(minidock: Minidock, name: str, script: str, *flags: str) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A container without --rm that has said that it is ready, and its scope."""
    command = ("run", "--network", "none", "--name", name, *flags, "busybox", "sh", "-c", script)
    slice_ = tree() / "minidock.slice"
    before = set(slice_.glob("minidock-*.scope"))
    with minidock.start(*command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as client:
        assert client.stdout is not None
        assert client.stdout.readline() == b"ready\n"
        (scope,) = set(slice_.glob("minidock-*.scope")) - before
        yield client, scope
    minidock("rm", "-f", name)


def test_a_killed_monitor_leaves_no_scope(minidock: Minidock) -> None:
    with kept(minidock, "orphan", "echo ready; sleep 1000") as (client, scope):
        kill_the_monitor(scope)
        assert eventually(lambda: not scope.exists())
    assert client.returncode == 125


def test_a_container_that_outlives_its_monitor_is_found_by_its_cgroup(minidock: Minidock) -> None:
    # A change of user takes away the signal that a process gets with its parent's death (prctl(2)).
    script = "start-stop-daemon -S -p /none -c nobody -x /bin/sh -- -c 'echo ready; exec sleep 1000'"
    with kept(minidock, "survivor", f"exec {script}") as (client, scope):
        client.kill()  # it would tidy up itself
        client.wait()
        kill_the_monitor(scope)
        assert eventually(lambda: (scope / "monitor" / "cgroup.procs").read_text() == "")
        assert (scope / "container" / "cgroup.procs").read_text() != ""
        (row,) = json.loads(minidock("inspect", "survivor").stdout)
        assert row["State"]["Status"] == "exited"
        assert eventually(lambda: not scope.exists())


def test_who_looks_after_exec_is_in_the_container_s_scope(minidock: Minidock) -> None:
    """A log-out with KillUserProcesses kills what is in the session's own scope, and nothing else."""
    with kept(minidock, "long", "echo ready; sleep 1000") as (_, scope):
        before = set((scope / "monitor" / "cgroup.procs").read_text().split())
        assert minidock("exec", "-d", "long", "sleep", "1000").returncode == 0
        (exec_monitor,) = set((scope / "monitor" / "cgroup.procs").read_text().split()) - before
        assert scope.name in Path(f"/proc/{exec_monitor}/cgroup").read_text()
        assert len((scope / "container" / "cgroup.procs").read_text().split()) == 2
        assert minidock("rm", "-f", "long").returncode == 0
        assert eventually(lambda: not scope.exists())


def pid_of(minidock: Minidock, name: str) -> int:
    return int(json.loads(minidock("inspect", name).stdout)[0]["State"]["Pid"])


@pytest.fixture
def logged_in(minidock: Minidock) -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    """A root who logs in and types a script, where logind kills what is left in a session that is over."""
    settings = Path("/etc/systemd/logind.conf.d/kill.conf")
    settings.parent.mkdir(exist_ok=True)
    settings.write_text("[Login]\nKillUserProcesses=yes\nKillExcludeUsers=\n")  # root is excluded by default
    systemctl("restart", "systemd-logind")

    def log_in(script: str) -> subprocess.Popen[bytes]:
        names = f"--whitelist-environment={','.join(minidock.environment)}"
        command = ["runuser", "-l", names, "root", "-c", script]
        return subprocess.Popen(command, stdout=subprocess.PIPE, env=minidock.environment, start_new_session=True)

    yield log_in
    systemctl("stop", "systemd-logind", "user-0.slice")
    settings.unlink()


def test_a_log_out_ends_neither_a_container_nor_what_was_run_in_it(
    minidock: Minidock, logged_in: Callable[[str], subprocess.Popen[bytes]]
) -> None:
    """Nor its monitor; the commands that wait in the session are killed with it, as all that is the user's own."""
    program, names = shlex.join(minidock.program), ("left", "front")
    run = f"{program} run --network none --name"
    script = f"""set -e
        {run} left -d busybox sleep 1000
        {program} exec -d left sleep 1000
        {run} front --sig-proxy=false busybox sh -c 'echo front; exec sleep 1000' &
        echo $XDG_SESSION_ID
        exec sleep 1000"""
    with logged_in(script) as shell:
        assert shell.stdout
        said = {shell.stdout.readline().decode().strip() for _ in range(3)}
        (session,) = {word for word in said if len(word) < 10 and word != "front"}
        scope = tree() / shown(f"session-{session}.scope", "ControlGroup")["ControlGroup"].lstrip("/")
        assert len((scope / "cgroup.procs").read_text().split()) >= 3  # the shell, and who waits for the container
        # An id is printed before its container is started.
        assert eventually(lambda: all(pid_of(minidock, name) for name in names))
        left, front = [cgroup_of(pid_of(minidock, name)) for name in names]
        assert eventually(lambda: len((left / "cgroup.procs").read_text().split()) == 2)
        before = {place: (place / "cgroup.procs").read_text() for cgroup in (left, front)
                  for place in (cgroup, cgroup.parent / "monitor")}  # fmt: skip
        subprocess.run(["loginctl", "terminate-session", session], check=True)
        assert eventually(lambda: not scope.exists())
        assert {place: (place / "cgroup.procs").read_text() for place in before} == before
    assert minidock("exec", "left", "true").returncode == 0
    assert minidock("logs", "front").stdout == b"front\n"
    for name in names:
        assert minidock("stop", "-t", "0", name).stdout.decode() == f"{name}\n"
        assert json.loads(minidock("inspect", name).stdout)[0]["State"]["ExitCode"] == 137
        minidock("rm", name)


def kill_the_monitor(scope: Path) -> None:
    (monitor,) = (scope / "monitor" / "cgroup.procs").read_text().split()
    os.kill(int(monitor), signal.SIGKILL)


def test_a_stopped_scope_is_a_stopped_container(minidock: Minidock) -> None:
    """As at shutdown: everybody gets SIGTERM, and the monitor lives to record what became of its container."""
    with kept(minidock, "polite", "trap 'exit 7' TERM; echo ready; while :; do sleep 0.1; done") as (client, scope):
        systemctl("stop", scope.name)
        assert client.wait() == 7
        assert json.loads(minidock("inspect", "polite").stdout)[0]["State"]["ExitCode"] == 7
