"""The second kernel's runner: what it hands back, how it fails, and that nothing of it stays."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engine.containers import eventually
from tests.support.machine import pids, read

UML = Path(__file__).with_name("uml.py")


def command(*arguments: str) -> list[str]:
    return [sys.executable, str(UML), *arguments]


def uml(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def kernels(directory: Path) -> list[str]:
    """Every process of the kernel whose runner keeps its files in `directory`: their arguments name it."""
    arguments = [read(f"/proc/{pid}/cmdline") for pid in pids()]
    return [line.decode() for line in arguments if f"uml_dir={directory}".encode() in line]


def test_output_and_exit_code_are_the_commands_own() -> None:
    done = uml("--", "sh", "-c", "uname -n; pwd; tty; stty size; exit 7")
    assert done.stdout.splitlines() == ["second-kernel", os.getcwd(), "/dev/tty1", "24 100"]
    assert (done.returncode, done.stderr) == (7, "")


def test_what_is_done_in_there_stays_in_there() -> None:
    paths = ["/etc/mdtest", "/var/mdtest", "/tmp/mdtest", "/run/mdtest"]
    done = uml("--", "sh", "-c", f"touch {' '.join(paths)} && ls /etc/mdtest; touch {UML} /usr/mdtest")
    assert done.stdout.startswith("/etc/mdtest\n")
    assert done.stdout.count("Read-only file system") == 2
    assert not [path for path in paths if Path(path).exists()]


def test_a_command_that_hangs_is_ended_with_a_reason() -> None:
    done = uml("--timeout", "20", "--", "sh", "-c", "echo begun; sleep 600")
    assert (done.returncode, done.stdout) == (1, "begun\n")
    assert done.stderr.startswith("second kernel: no result after 20 s; its log ends:\n")


def test_a_panic_is_told() -> None:
    done = uml("--", "sh", "-c", "echo c >/proc/sysrq-trigger")
    assert (done.returncode, done.stdout) == (1, "")
    assert "it panicked:\nKernel panic - not syncing: sysrq triggered crash" in done.stderr


def test_a_kernel_halted_from_within_is_told() -> None:
    done = uml("--", "busybox", "poweroff", "-f")
    assert done.returncode == 1
    assert done.stderr.startswith("second kernel: it halted without a result")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_killing_the_runner_ends_the_kernel(number: signal.Signals, tmp_path: Path) -> None:
    program = command("--", "sh", "-c", "echo up; sleep 600")
    own = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(program, stdout=subprocess.PIPE, env=own) as runner:
        assert runner.stdout is not None
        assert runner.stdout.readline() == b"up\n"
        assert kernels(tmp_path)
        runner.send_signal(number)
    eventually(lambda: not kernels(tmp_path))
    caught = number != signal.SIGKILL
    assert runner.returncode == (128 + number if caught else -number)
    assert bool(list(tmp_path.iterdir())) != caught


def test_without_a_command_it_says_how() -> None:
    done = uml()
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "uml.py: error: which command?"
