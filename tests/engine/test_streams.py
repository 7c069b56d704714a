"""Without a terminal: three byte streams, each as it is, at full speed, ended as pipes end."""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.engine.containers import QUIET, Containers, eventually
from tests.support.command import Minidock

Run = Callable[..., tuple[int, bytes, bytes]]
EVERY_BYTE = bytes(range(256)) * 41
BIG = 300 << 20


def test_stdout_and_stderr_are_apart_and_the_exit_code_is_the_programs(run: Run) -> None:
    assert run("alpine", "sh", "-c", "printf 'a\\0b'; printf 'c\\r\\n' >&2; exit 42") == (42, b"a\0b", b"c\r\n")


def test_every_byte_passes_in_both_directions(run: Run) -> None:
    assert run("-i", "alpine", "cat", input=EVERY_BYTE) == (0, EVERY_BYTE, b"")
    assert run("-i", "alpine", "sh", "-c", "cat >&2", input=EVERY_BYTE) == (0, b"", EVERY_BYTE)


def test_without_i_standard_input_is_dev_null(run: Run) -> None:
    assert run("alpine", "sh", "-c", "readlink /proc/self/fd/0; cat", input=b"not for you") == (0, b"/dev/null\n", b"")


def test_nothing_but_the_three_streams_is_open_inside(run: Run) -> None:
    # 3 is the directory that ls itself reads.
    _, out, _ = run("-i", "alpine", "sh", "-c", "ls /proc/self/fd")
    assert out.split() == [b"0", b"1", b"2", b"3"]


@pytest.mark.parametrize("driver", ["none", "json-file"])
def test_big_binary_pipes_pass_unharmed(engine: Minidock, tmp_path: Path, driver: str) -> None:
    """With a log and without: the one is read and written, the other only moved (splice)."""

    def through(command: list[str]) -> str:
        feeder = subprocess.Popen(["cat", source], stdout=subprocess.PIPE)
        middle = subprocess.Popen(command, stdin=feeder.stdout, stdout=subprocess.PIPE, env=engine.environment)
        digest = hashlib.sha256()
        assert feeder.stdout is not None
        assert middle.stdout is not None
        feeder.stdout.close()
        while chunk := middle.stdout.read(1 << 20):
            digest.update(chunk)
        middle.stdout.close()
        assert (feeder.wait(), middle.wait()) == (0, 0)
        return digest.hexdigest()

    source = str(tmp_path / "random")
    size = BIG if driver == "none" else BIG >> 4
    Path(source).write_bytes(os.urandom(1 << 20) * (size >> 20))
    expected = through(["cat"])
    assert through([*engine.program, *QUIET, "--log-driver", driver, "-i", "alpine", "cat"]) == expected


def test_a_huge_stderr_does_not_stop_stdout(run: Run) -> None:
    code, out, err = run("alpine", "sh", "-c", "head -c 20000000 /dev/zero >&2; echo done")
    assert (code, out, len(err), set(err)) == (0, b"done\n", 20_000_000, {0})


def test_the_last_words_are_never_lost(run: Run) -> None:
    def once(_: int) -> tuple[int, bytes, bytes]:
        _, out, err = run("alpine", "sh", "-c", "head -c 100000 /dev/zero; printf end; printf last >&2")
        return len(out), out[-3:], err

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(once, range(24))) == {(100_003, b"end", b"last")}


def test_a_slow_reader_gets_everything(engine: Minidock) -> None:
    command = engine.start(*QUIET, "alpine", "sh", "-c", "seq 1 300000", stdout=subprocess.PIPE)
    assert command.stdout is not None
    out = b""
    while chunk := os.read(command.stdout.fileno(), 40_000):
        out += chunk
        time.sleep(0.001)
    command.stdout.close()
    assert command.wait(30) == 0
    assert out == b"".join(b"%d\n" % n for n in range(1, 300_001))


def test_a_container_is_undone_while_its_output_waits_for_a_slow_reader(
    engine: Minidock, containers: Containers
) -> None:
    command = engine.start(*QUIET, "alpine", "head", "-c", "200000", "/dev/zero", stdout=subprocess.PIPE)
    assert command.stdout is not None
    eventually(lambda: command.stdout and os.get_blocking(command.stdout.fileno()) and containers.records())
    eventually(lambda: not containers.records())
    assert command.poll() is None
    assert len(command.stdout.read()) == 200_000
    command.stdout.close()
    assert command.wait(30) == 0


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_descriptor_is_as_good_as_dev_null(engine: Minidock, tmp_path: Path, closed: str) -> None:
    """The container's result must not depend on it, nor may another file of ours take its place."""
    script = f"""exec {closed}; "$@" >>{tmp_path}/out; code=$?; exit $code"""
    inside = "cat; echo out; echo err >&2; exit 7"
    command = [*engine.program, *QUIET, "-i", "alpine", "sh", "-c", inside]
    done = subprocess.run(["sh", "-c", script, "sh", *command], env=engine.environment, stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False, timeout=60)  # fmt: skip
    assert done.returncode == 7
    assert (tmp_path / "out").read_bytes() == b"out\n"
    assert done.stderr == (b"" if "2>" in closed else b"err\n")


def test_stdout_closed_altogether(engine: Minidock) -> None:
    command = ["sh", "-c", '"$@" >&-', "sh", *engine.program, *QUIET, "alpine", "sh", "-c", "echo out; echo err >&2"]
    done = subprocess.run(command, env=engine.environment, capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"err\n")


def test_a_full_device_has_the_command_leave_and_say_why(engine: Minidock) -> None:
    with open("/dev/full", "wb") as full:
        words = (*QUIET, "--name", "flooding", "alpine", "yes")
        command = engine.start(*words, stdout=full, stderr=subprocess.PIPE)
        _, err = command.communicate(timeout=30)
    assert (command.returncode, err) == (1, b"minidock: write /dev/stdout: no space left on device\n")
    assert engine("rm", "-f", "flooding").returncode == 0  # it goes on, as in docker


def test_a_file_opened_for_appending(engine: Minidock, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"before\n")
    with log.open("ab") as file:
        done = engine.start(*QUIET, "alpine", "sh", "-c", "echo a; sleep 0.1; echo b", stdout=file, stderr=file)
        assert done.wait(30) == 0
    assert log.read_bytes() == b"before\na\nb\n"


def test_one_file_for_both_outputs_keeps_both(engine: Minidock, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as file:
        both = {"stdout": file, "stderr": subprocess.STDOUT}
        command = engine.start(*QUIET, "alpine", "sh", "-c", "seq 5; seq 6 9 >&2", **both)
        assert command.wait(30) == 0
    assert sorted(log.read_text().split()) == [str(n) for n in range(1, 10)]


def test_input_from_a_file_and_output_to_one(engine: Minidock, tmp_path: Path) -> None:
    source, sink = tmp_path / "source", tmp_path / "sink"
    source.write_bytes(EVERY_BYTE * 500)
    with source.open("rb") as stdin, sink.open("wb") as stdout:
        assert engine.start(*QUIET, "-i", "alpine", "cat", stdin=stdin, stdout=stdout).wait(30) == 0
    assert sink.read_bytes() == source.read_bytes()


def test_sockets_as_streams(engine: Minidock) -> None:
    """What programs such as node give their children instead of pipes."""
    import socket

    ours, theirs = socket.socketpair()
    with ours, theirs:
        command = engine.start(*QUIET, "-i", "alpine", "cat", stdin=theirs, stdout=theirs)
        theirs.close()
        ours.sendall(EVERY_BYTE)
        ours.shutdown(socket.SHUT_WR)
        got = b""
        while chunk := ours.recv(1 << 16):
            got += chunk
    assert (command.wait(30), got) == (0, EVERY_BYTE)


def test_a_container_that_ends_does_not_wait_for_its_input_to_end(engine: Minidock) -> None:
    reading, writing = os.pipe()
    command = engine.start(*QUIET, "-i", "alpine", "true", stdin=reading)
    os.close(reading)
    assert command.wait(30) == 0
    os.close(writing)


def test_a_program_that_closes_its_input_early_goes_on(engine: Minidock) -> None:
    command = engine.start(*QUIET, "-i", "alpine", "sh", "-c", "head -c 1; exec <&-; echo on",
                           stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip
    out, _ = command.communicate(b"x" * 3_000_000, timeout=30)
    assert (command.returncode, out) == (0, b"xon\n")


def test_input_that_ends_later_ends_the_containers_input(engine: Minidock) -> None:
    command = engine.start(*QUIET, "-i", "alpine", "sh", "-c", "echo ready; cat; echo end",
                           stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip
    assert command.stdin is not None
    assert command.stdout is not None
    assert command.stdout.readline() == b"ready\n"
    command.stdin.write(b"some\n")
    command.stdin.flush()
    assert command.stdout.readline() == b"some\n"
    command.stdin.close()
    assert command.stdout.readline() == b"end\n"
    command.stdout.close()
    assert command.wait(30) == 0


def test_a_program_that_cannot_be_run_leaves_the_input_for_others(engine: Minidock, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"mine\n")
    with source.open("rb") as stdin:
        command = engine.start(*QUIET, "-i", "alpine", "no-such-program", stdin=stdin, stderr=subprocess.DEVNULL)
        assert command.wait(30) == 127
        assert stdin.read() == b"mine\n"


def test_the_callers_own_descriptors_stay_as_they_were(engine: Minidock) -> None:
    """O_NONBLOCK on a pipe or terminal that others use too would break them."""
    reading, writing = os.pipe()
    command = engine.start(*QUIET, "-i", "alpine", "cat", stdin=reading, stdout=writing)
    assert os.get_blocking(reading)
    assert os.get_blocking(writing)
    command.terminate()
    command.wait(30)
    os.close(reading)
    os.close(writing)


def test_other_descriptors_of_the_caller_are_held_by_nobody_afterwards(
    engine: Minidock, containers: Containers
) -> None:
    """Who waits for the end of a pipe that the command had as descriptor 9 does not wait for the container."""
    reading, writing = os.pipe()
    command = engine.start("run", "--rm", "--network", "none", "--name", "holds", "alpine", "sleep", "1000",
                           stdout=writing, pass_fds=[writing])  # fmt: skip
    os.close(writing)
    containers.one_running()
    command.kill()
    command.wait(30)
    assert os.read(reading, 1) == b""  # the end of file: the monitor has let go of its own copies
    os.close(reading)
    assert containers.running()
    assert engine("rm", "-f", "holds").returncode == 0
