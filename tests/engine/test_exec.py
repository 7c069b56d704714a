"""`exec`: one more process in a running container, with its namespaces, its powers and its limits, and no others."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from minidock.engine.container import records
from minidock.engine.exec import exec_process
from tests.engine.containers import Containers, cgroup2, eventually, lines
from tests.support.command import Minidock
from tests.support.machine import read

Exec = Callable[..., tuple[int, str, str]]
QUIET = ("run", "-d", "--network", "none")


@contextmanager
def started(engine: Minidock, name: str, *words: str) -> Iterator[int]:
    """A detached container, gone at the end of the block: its PID 1 as the host knows it."""
    done = engine(*QUIET, "--name", name, *words)
    assert done.returncode == 0, done.stderr.decode()
    try:
        yield pids(done.stdout.decode().strip())[0]
    finally:
        engine("rm", "-f", name)


def pids(container_id: str) -> list[int]:
    """The processes in a container's cgroup, as the host numbers them."""
    return [int(line) for line in lines(str(cgroup2() / "minidock" / container_id / "cgroup.procs"))]


@pytest.fixture(scope="module")
def shared(engine: Minidock) -> Iterator[int]:
    """A container `shared` that tests only look at."""
    limits = ("--cap-drop", "MKNOD", "--security-opt", "no-new-privileges", "--ulimit", "nofile=100:200")
    with started(engine, "shared", *limits, "-e", "A=image", "-w", "/usr", "alpine", "sleep", "1000") as pid:
        yield pid


@pytest.fixture
def inside(engine: Minidock, shared: int) -> Exec:
    """`inside("-u", "nobody", "id")`: (exit code, output, errors) of `exec` in `shared`; words with - are options."""

    def run(*words: str, input: bytes = b"", container: str = "shared") -> tuple[int, str, str]:
        position = 0
        while words[position].startswith("-"):
            position += 1 if words[position] in ("-i", "-d", "--privileged") else 2
        done = engine("exec", *words[:position], container, *words[position:], input=input)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    return run


def test_it_is_in_every_namespace_and_the_cgroup_of_pid_1(engine: Minidock, shared: int) -> None:
    process = engine.start("exec", "shared", "sleep", "1000")
    container = Path(lines(f"/proc/{shared}/cgroup")[-1]).name
    other = eventually(lambda: [pid for pid in pids(container) if read(f"/proc/{pid}/comm") == b"sleep\n"][1:])[0]
    kinds = os.listdir(f"/proc/{shared}/ns")
    assert {kind: os.readlink(f"/proc/{other}/ns/{kind}") for kind in kinds} == {
        kind: os.readlink(f"/proc/{shared}/ns/{kind}") for kind in kinds
    }
    assert os.readlink(f"/proc/{other}/root") == "/"
    assert os.path.samestat(os.stat(f"/proc/{other}/root"), os.stat(f"/proc/{shared}/root"))
    os.kill(other, signal.SIGTERM)
    assert process.wait() == 128 + signal.SIGTERM


def test_it_has_the_powers_and_limits_of_pid_1_and_no_others(inside: Exec) -> None:
    look = "grep -E '^(Cap|NoNewPrivs|Seccomp|Sig(Blk|Ign)|Groups|Uid|Gid)' /proc/{0}/status; cat /proc/{0}/limits"
    code, pid_1, _ = inside("sh", "-c", look.format(1))
    assert (code, inside("sh", "-c", look.format("self"))[1]) == (0, pid_1)
    assert "CapBnd:\t00000000a00425fb" in pid_1  # docker's fourteen without CAP_MKNOD
    assert "NoNewPrivs:\t1" in pid_1
    assert "Seccomp:\t2" in pid_1
    assert inside("unshare", "-m", "true")[0] == 1


def test_nothing_of_ours_is_open_inside(inside: Exec) -> None:
    code, listed, _ = inside("sh", "-c", "for fd in /proc/$$/fd/*; do readlink $fd; done; true")
    assert code == 0
    kinds = sorted(line.partition(":")[0] for line in listed.splitlines())
    assert kinds == ["/dev/null", "pipe", "pipe"]


AS_DOCKER: dict[str, tuple[tuple[str, ...], str, int, str]] = {
    "root": (("sh", "-c", "id -u; pwd; echo $HOME $A $HOSTNAME | wc -w"), "0\n/usr\n3\n", 0, ""),
    "user": (("-u", "nobody", "sh", "-c", "id; echo $HOME"),
             "uid=65534(nobody) gid=65534(nobody) groups=65534(nobody)\n/\n", 0, ""),
    "user-and-group": (("-u", "12:wheel", "id"), "uid=12 gid=10(wheel) groups=10(wheel)\n", 0, ""),
    "no-capabilities": (("-u", "1", "grep", "CapEff", "/proc/self/status"), "CapEff:\t0000000000000000\n", 0, ""),
    "directory": (("-w", "/tmp", "pwd"), "/tmp\n", 0, ""),
    "variables": (("-e", "A=mine", "-e", "B=x y", "sh", "-c", 'echo "$A $B"'), "mine x y\n", 0, ""),
    "home-given": (("-e", "HOME=/x", "sh", "-c", "echo $HOME"), "/x\n", 0, ""),
    "no-terminal": (("sh", "-c", "echo ${TERM:-none}; tty"), "none\nnot a tty\n", 1, ""),
    "no-input": (("cat",), "", 0, ""),
    "exit-code": (("sh", "-c", "exit 42"), "", 42, ""),
    "killed": (("sh", "-c", "kill -9 $$"), "", 137, ""),
    "not-found": (("nosuch",), "", 126, 'exec: "nosuch": executable file not found in $PATH'),
    "no-such-file": (("/no/such",), "", 126, 'exec: "/no/such": no such file or directory'),
    "not-executable": (("/etc/passwd",), "", 126, 'exec: "/etc/passwd": permission denied'),
    "directory-as-program": (("/etc",), "", 126, 'exec: "/etc": is a directory'),
    "unknown-user": (("-u", "bla", "true"), "", 126, "unable to find user bla: no matching entries in passwd file"),
    "no-directory": (("-w", "/no", "true"), "", 126, "the working directory /no: No such file or directory"),
    "relative-directory": (("-w", "no", "true"), "", 126, "Cwd must be an absolute path"),
    # CVE-2019-5736: the host's Python under the name of a program; CVE-2024-21626: a directory that was left open.
    "ourselves": (("/proc/self/exe",), "", 126, 'exec: "/proc/self/exe": no such file or directory'),
    "our-directory": (("-w", "/proc/self/fd/5", "pwd"), "", 126, "the working directory /proc/self/fd/5"),
}  # fmt: skip


@pytest.mark.parametrize(("words", "out", "code", "err"), AS_DOCKER.values(), ids=AS_DOCKER.keys())
def test_as_docker_does(inside: Exec, words: tuple[str, ...], out: str, code: int, err: str) -> None:
    got = inside(*words)
    assert got[:2] == (code, out)
    assert got[2].startswith(f"minidock: {err}") if err else got[2] == ""
    assert got[2].count("\n") == bool(err)


def test_privileged_has_every_capability_that_there_is(inside: Exec) -> None:
    ours = next(line.split()[1] for line in lines("/proc/self/status") if line.startswith("CapBnd"))
    code, out, _ = inside("--privileged", "grep", "-E", "Cap(Eff|Bnd)", "/proc/self/status")
    assert (code, out) == (0, f"CapEff:\t{ours}\nCapBnd:\t{ours}\n")


def test_every_byte_goes_in_and_comes_out(engine: Minidock, shared: int) -> None:
    data = os.urandom(5 << 20)
    done = engine("exec", "-i", "shared", "sh", "-c", "tee /dev/stderr", input=data)
    assert (done.returncode, done.stdout, done.stderr) == (0, data, data)


def test_the_users_are_those_of_now(engine: Minidock) -> None:
    with started(engine, "changing", "alpine", "sleep", "1000"):
        assert engine("exec", "-u", "new", "changing", "true").returncode == 126
        line = "new:x:1000:1001:New:/home/new:/bin/sh"
        add = f"echo {line} >> /etc/passwd; echo team:x:1002:new >> /etc/group"
        assert engine("exec", "changing", "sh", "-c", add).returncode == 0
        done = engine("exec", "-u", "new", "changing", "sh", "-c", "id -u; id -g; id -G; echo $HOME")
        assert done.stdout == b"1000\n1001\n1001 1002\n/home/new\n"
        # What is in its place is not opened if opening it would do something.
        assert engine("exec", "changing", "sh", "-c", "rm /etc/passwd; mkfifo /etc/passwd").returncode == 0
        assert engine("exec", "-u", "new", "changing", "true").returncode == 126
        assert engine("exec", "-u", "7", "changing", "grep", "Uid", "/proc/self/status").stdout == b"Uid:\t7\t7\t7\t7\n"


def test_pid_1_may_have_dropped_its_powers(engine: Minidock) -> None:
    with started(engine, "humble", "-u", "nobody", "--cap-drop", "ALL", "alpine", "sleep", "1000"):
        assert engine("exec", "humble", "id", "-u").stdout == b"65534\n"
        done = engine("exec", "-u", "root", "humble", "sh", "-c", "id -u; grep CapEff /proc/self/status")
        assert done.stdout == b"0\nCapEff:\t0000000000000000\n"


JAIL = "mkdir -p /jail/bin; cp /bin/busybox /jail/bin; cp -r /lib /jail; touch /jail/mark; "


def test_pid_1_may_have_another_root(engine: Minidock) -> None:
    with started(engine, "jailed", "alpine", "sh", "-c", JAIL + "exec chroot /jail /bin/busybox sleep 1000") as pid:
        eventually(lambda: os.readlink(f"/proc/{pid}/root").endswith("/jail"))
        done = engine("exec", "-u", "nobody", "jailed", "sh", "-c", "ls /jail/mark; readlink /proc/self/root; id -un")
        assert done.stdout == b"/jail/mark\n/\nnobody\n"


def test_pid_1_may_have_left_for_another_mount_namespace(engine: Minidock) -> None:
    """One without /proc, too: nothing that is needed on the way in is read from inside."""
    leave = "mount --bind /jail /jail; cd /jail; mkdir old; pivot_root . old; exec bin/busybox chroot . bin/busybox sh"
    stay = "/bin/busybox umount -l /old; exec /bin/busybox sleep 1000"
    script = JAIL + f'exec unshare -m sh -c "{leave} -c \\"{stay}\\""'
    with started(engine, "left", "--privileged", "alpine", "sh", "-c", script) as pid:
        eventually(lambda: read(f"/proc/{pid}/comm") == b"busybox\n")
        done = engine("exec", "left", "/bin/busybox", "ls", "/")
        assert (done.stdout, done.stderr) == (b"bin\nlib\nmark\nold\n", b"")
        done = engine("exec", "-u", "7", "left", "/bin/busybox", "id")
        assert done.stdout == b"uid=7 gid=0 groups=0\n"


def test_one_that_does_not_run_is_refused_in_docker_s_words(engine: Minidock) -> None:
    with started(engine, "resting", "alpine", "sleep", "1000"):
        container = engine("inspect", "--format", "{{.Id}}", "resting").stdout.decode().strip()
        engine("pause", "resting")
        paused = engine("exec", "resting", "true")
        engine("unpause", "resting")
        assert (paused.returncode, paused.stderr.decode()) == (
            1, "minidock: Container resting is paused, unpause the container before exec\n")  # fmt: skip
        engine("kill", "resting")
        eventually(lambda: not pids(container))
        stopped = engine("exec", container[:12], "true")
        assert (stopped.returncode, stopped.stderr.decode()) == (1, f"minidock: Container {container} is not running\n")
    gone = engine("exec", "resting", "true")
    assert (gone.returncode, gone.stderr) == (1, b"minidock: No such container: resting\n")


def test_it_ends_with_the_container(engine: Minidock) -> None:
    with started(engine, "ending", "alpine", "sleep", "1000") as pid:
        process = engine.start("exec", "ending", "sleep", "1000")
        eventually(lambda: lines(f"/proc/{pid}/task/{pid}/children") or len(running_in(pid)) == 2)
        engine("rm", "-f", "ending")
        assert process.wait(20) == 137


def running_in(pid: int) -> list[int]:
    """The processes in the same process namespace as `pid`."""
    place, found = os.readlink(f"/proc/{pid}/ns/pid"), []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{name}/ns/pid") == place:
                found.append(int(name))
        except OSError:  # gone, or a zombie
            continue
    return found


def test_detached_it_goes_on_by_itself(engine: Minidock, containers: Containers) -> None:
    with started(engine, "busy", "alpine", "sleep", "1000"):
        monitors = containers.commands()
        done = engine("exec", "-d", "busy", "sh", "-c", "echo out; echo err >&2; sleep 0.3; echo done > /mark")
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
        eventually(lambda: engine("exec", "busy", "cat", "/mark").stdout == b"done\n")
        assert engine("exec", "-d", "busy", "nosuch").returncode == 1
        eventually(lambda: containers.commands() == monitors)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_command_leaves_the_process_running(
    engine: Minidock, containers: Containers, number: signal.Signals
) -> None:
    """As docker does. Its input has ended, its output goes nowhere, and when it ends nothing of ours is left."""
    with started(engine, "orphaned", "alpine", "sleep", "1000"):
        monitors = containers.commands()
        script = "cat; for i in 1 2 3; do echo line || exit; sleep 0.1; done; echo done > /mark"
        process = engine.start("exec", "-i", "orphaned", "sh", "-c", script, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE)  # fmt: skip
        assert process.stdin
        assert process.stdout
        process.stdin.write(b"hello\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"hello\n"
        process.send_signal(number)
        process.wait()
        process.stdout.close()
        process.stdin.close()
        eventually(lambda: engine("exec", "orphaned", "cat", "/mark").stdout == b"done\n")
        eventually(lambda: containers.commands() == monitors)


def test_a_killed_keeper_takes_the_process_along(engine: Minidock, containers: Containers) -> None:
    with started(engine, "kept", "alpine", "sleep", "1000") as pid:
        monitor = containers.commands()
        process = engine.start("exec", "kept", "sleep", "1000", stderr=subprocess.PIPE)
        eventually(lambda: len(running_in(pid)) == 2)
        exec_monitor = next(number for number in containers.commands() if number not in (*monitor, process.pid))
        os.kill(exec_monitor, signal.SIGKILL)
        assert process.wait(20) == 125
        assert process.stderr
        with process.stderr as errors:
            assert errors.read() == b"minidock: the exec monitor was killed\n"
        eventually(lambda: running_in(pid) == [pid])


def test_children_that_hold_the_output_are_not_waited_for(engine: Minidock, shared: int) -> None:
    done = engine("exec", "shared", "sh", "-c", "sleep 1000 & echo $!")
    assert done.returncode == 0
    assert engine("exec", "shared", "kill", done.stdout.decode().strip()).returncode == 0


def test_many_at_once(engine: Minidock, shared: int) -> None:
    def code(number: int) -> int:
        return engine("exec", "shared", "sh", "-c", f"exit {number}").returncode

    with ThreadPoolExecutor(10) as pool:
        assert list(pool.map(code, range(20))) == list(range(20))


def test_killed_anywhere_it_leaves_nothing(engine: Minidock, containers: Containers, tmp_path: Path) -> None:
    """The process that is about to make the Nth kernel call dies: command, exec monitor, or what is on its way in."""
    trace = tmp_path / "trace"
    with started(engine, "victim", "alpine", "sleep", "1000") as pid:
        monitor = containers.commands()
        assert engine("exec", "victim", "true", env={"MINIDOCK_OBSERVE_TRACE": str(trace)}).returncode == 0
        calls = sum('"what": "call"' in line for line in trace.read_text().splitlines())
        assert calls > 30
        for number in range(1, calls + 1, 4):
            done = engine("exec", "victim", "true", env={"MINIDOCK_OBSERVE_KILL": str(number)})
            assert done.returncode in (0, 125, 126, 137, -9), (number, done)
            eventually(lambda: (containers.commands(), running_in(pid)) == (monitor, [pid]))


def test_a_check_s_outcome(engine: Minidock, shared: int) -> None:
    """What health checks are made of."""
    record = records.find(str(engine.root), "shared")
    outcome = exec_process.run_in(record, ["sh", "-c", "echo out; echo err >&2; exit 3"], timeout=30)
    assert outcome == (3, b"out\nerr\n")
    outcome = exec_process.run_in(record, ["sh", "-c", "yes | head -c 100000; kill -9 $$"], timeout=30)
    assert (outcome.exit_code, outcome.output) == (137, b"y\n" * 2048)
    before = running_in(shared)
    outcome = exec_process.run_in(record, ["sh", "-c", "echo slow; exec sleep 1000"], timeout=0.5)
    assert outcome == (None, b"slow\n")
    assert running_in(shared) == before
