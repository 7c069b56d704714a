"""The process in the container: alone in its namespaces, PID 1, and with nothing of minidock left in it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import minidock as minidock_package
from tests.cli.conftest import Run
from tests.support.command import Minidock

KINDS = ("mnt", "pid", "uts", "ipc", "net", "cgroup")
SHARED = ("user", "time")  # as in docker, which makes these only where it is asked to


def test_namespaces_of_its_own(run: Run) -> None:
    links = run.shell(f"for kind in {' '.join((*KINDS, *SHARED))}; do readlink /proc/1/ns/$kind; done").split()
    ours = [os.readlink(f"/proc/self/ns/{kind}") for kind in (*KINDS, *SHARED)]
    assert [inside == outside for inside, outside in zip(links, ours, strict=True)] == [False] * 6 + [True] * 2


def test_nothing_of_minidock_leaks_into_pid_1(run: Run) -> None:
    """cat is PID 1 itself here, so that no shell has tidied up before it."""
    out = run("alpine", "cat", "/proc/self/stat", "/proc/self/cmdline", "/proc/self/maps", "/proc/self/status").out
    stat = out.split(")")[1].split()
    assert out.startswith("1 (cat)")
    assert stat[1:4] == ["0", "1", "1"]  # no parent inside; leader of its process group and session
    assert "python" not in out
    assert "minidock" not in out
    status = dict(line.split(":", 1) for line in out.splitlines() if ":\t" in line)
    assert status["NSpid"].split() == ["1"]
    for mask in ("SigBlk", "SigIgn", "SigCgt", "SigPnd", "ShdPnd"):
        assert int(status[mask], 16) == 0, mask
    assert status["Umask"].strip() == "0022"
    assert status["TracerPid"].strip() == "0"


def test_descriptors_environment_and_directory(run: Run) -> None:
    script = (
        "cd /proc/1; ls fd; readlink fd/0; tr '\\0' '\\n' <environ; cd /; "
        "for link in cwd root; do readlink /proc/1/$link; done"
    )
    lines = run.shell(script, "-h", "box").splitlines()
    # The shell of a script may have it open at 10; ls has its directory at 3, but that is not PID 1's.
    assert [line for line in lines[:4] if line.isdigit()] == ["0", "1", "2"]
    assert "/dev/null" in lines
    assert lines[-5:] == [
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOSTNAME=box", "HOME=/root", "/", "/",
    ]  # fmt: skip


def test_descriptors_of_the_caller_stay_outside(run: Run, minidock: Minidock) -> None:
    reading, writing = os.pipe()
    process = minidock.start(
        "run", "--rm", "--network", "none", "alpine", "ls", "/proc/self/fd",
        stdout=subprocess.PIPE, pass_fds=(reading, writing),
    )  # fmt: skip
    assert process.communicate()[0].split() == [b"0", b"1", b"2", b"3"]  # 3: what ls reads the directory through
    os.close(reading)
    os.close(writing)


def test_the_caller_s_umask_signals_and_closed_descriptors_stay_outside(run: Run, minidock: Minidock) -> None:
    command = " ".join([*minidock.program, "run", "--rm", "--network", "none"])
    look = "-u nobody -w /made alpine sh -c 'umask; stat -c %a / /etc/hosts /made'"
    script = (
        f"umask 077; trap '' INT QUIT PIPE USR1; {command} {look} 2>&1; "
        f"{command} alpine grep SigIgn /proc/self/status; {command} alpine true <&- >&-"
    )
    done = subprocess.run(["sh", "-c", script], env=minidock.environment, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["0022", "755", "644", "755", "SigIgn:", "0000000000000000"]
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(("command", "code"), [("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("kill -9 $$", 0)])
def test_a_program_s_own_exit_code(run: Run, command: str, code: int) -> None:
    # PID 1 cannot be killed from inside its namespace (pid_namespaces(7)): the shell survives its own SIGKILL.
    assert run("alpine", "sh", "-c", command).code == code


@pytest.mark.parametrize(("signal", "code"), [("TERM", 143), ("KILL", 137), ("SEGV", 139)])
def test_a_program_that_is_killed(run: Run, signal: str, code: int) -> None:
    assert run("--init", "alpine", "sh", "-c", f"kill -{signal} $$").code == code


def test_the_runtime_loads_no_module_of_the_container(run: Run, tmp_path: Path) -> None:
    """Until execve it is a Python process, all-powerful, with the container's files where its own were."""
    for name in (*sys.stdlib_module_names, "encodings/ascii", "encodings/idna", "encodings/latin_1", "minidock/errors"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.py").write_text('import os; os.open("/pwned", os.O_CREAT | os.O_WRONLY)\n')
    places = {Path(os.__file__).parent, Path(minidock_package.__file__).parent.parent}
    binds = [word for place in places for word in ("-v", f"{tmp_path}:{place}")]
    assert run(*binds, "alpine", "ls", "/pwned").code == 1
    assert run(*binds, "alpine", "no-such-program").code == 127
    assert run(*binds, "--sysctl", "net.ipv4.ip_forward=x", "alpine", "true").code == 125
