"""Whoever is killed, whatever fails: nothing stays behind, at the latest after the next command."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.engine.containers import QUIET, Containers, cgroup2, eventually
from tests.engine.disks import on_disk
from tests.engine.injection import Injector
from tests.support.command import Minidock
from tests.support.machine import open_files, waits

ROUNDS = int(os.environ.get("MINIDOCK_TEST_ROUNDS", "4"))
POINTS = 13  # of each kind; `python -m tests.engine.injection` tries every one

FEW_POINTS = int(os.environ.get("MINIDOCK_TEST_POINTS", "5"))


@pytest.fixture(autouse=True)
def no_containers_afterwards(engine: Minidock, containers: Containers) -> Iterator[None]:
    """Remove what a failed test leaves, for the next one's sake."""
    yield
    if left := engine("ps", "-a", "-q").stdout.split():
        engine("rm", "-f", *map(bytes.decode, left))


@pytest.mark.parametrize("how", ["fail", "kill"])
def test_broken_at_any_kernel_call_it_leaves_nothing(engine: Minidock, tmp_path: Path, how: str) -> None:
    """A sample over all phases: the command, the set-up inside, the network, the end."""
    injector = Injector(engine, tmp_path)
    count = len(injector.calls())
    offset = random.Random(how).randrange(count // POINTS)
    wrong = {number: found for number in range(1 + offset, count, count // POINTS)
             if (found := getattr(injector, how)(number))}  # fmt: skip
    assert wrong == {}


WAYS = {
    "run -d": {"options": ("-d", "--rm", "--network", "none")},
    "run -d, kept": {"options": ("-d", "--network", "none")},
    "start": {"before": ("create", "--name", "broken", "--network", "none", "alpine", "true"),
              "words": ("start", "broken")},
    "stop": {"before": ("run", "-d", "--name", "broken", "--network", "none", "alpine", "sleep", "1000"),
             "words": ("stop", "-t", "0", "broken")},
}  # fmt: skip


@pytest.mark.parametrize("how", ["fail", "kill"])
@pytest.mark.parametrize("way", WAYS)
def test_detached_and_broken_it_leaves_nothing(engine: Minidock, tmp_path: Path, way: str, how: str) -> None:
    injector = Injector(engine, tmp_path, **WAYS[way])
    count = len(injector.calls())
    points = random.Random(way + how).sample(range(1, count + 1), min(count, FEW_POINTS))
    wrong = {number: found for number in points if (found := getattr(injector, how)(number))}
    assert wrong == {}


def test_rm_killed_at_any_kernel_call_can_be_repeated(engine: Minidock, containers: Containers) -> None:
    number = 0
    while True:
        number += 2  # every second point is enough
        engine("run", "--name", "doomed", "--network", "none", "alpine", "true")
        done = engine("rm", "-f", "doomed", env={"MINIDOCK_OBSERVE_KILL": str(number)})
        engine("rm", "-f", "doomed")
        assert containers.left() == []
        if done.returncode == 0:
            break
    assert number > 5


@pytest.mark.parametrize("victim", ["client", "monitor", "container"])
def test_a_kill_at_any_time(engine: Minidock, containers: Containers, victim: str) -> None:
    moments = random.Random(victim)
    for _ in range(ROUNDS):
        command = engine.start("run", "--rm", "--name", "victim", "alpine", "sleep", "1000", stderr=subprocess.DEVNULL)
        if victim == "container":
            os.kill(containers.one_running()["state"]["pid"], signal.SIGKILL)
            assert command.wait(30) == 137
        elif victim == "monitor":
            record = containers.one_running()
            time.sleep(moments.uniform(0, 0.05))
            os.kill(record["state"]["monitor"], signal.SIGKILL)
            assert command.wait(30) == 125
        else:
            time.sleep(moments.uniform(0.05, 0.4))
            command.kill()
            command.wait(30)
        # The client's container may have begun, and then goes on.
        engine("ps", "-a")
        if victim == "client":
            engine("rm", "-f", "victim")
        eventually(lambda: not containers.left())


def test_without_its_client_a_container_goes_on_and_its_output_is_drained(
    engine: Minidock, containers: Containers, tmp_path: Path
) -> None:
    wait = "until [ -e /shared/go ]; do sleep 0.05; done"
    script = f"{wait}; head -c 5000000 /dev/zero; touch /shared/written; sleep 1000"
    command = engine.start(*QUIET, "--name", "alone", "-v", f"{tmp_path}:/shared", "alpine", "sh", "-c", script,
                           stdout=subprocess.PIPE)  # fmt: skip
    containers.one_running()
    command.kill()
    command.communicate(timeout=30)  # the pipe ends: nobody of ours holds it any more
    (tmp_path / "go").touch()
    eventually((tmp_path / "written").exists)
    assert b"Up " in engine("ps").stdout
    assert engine("rm", "-f", "alone").stdout == b"alone\n"
    eventually(lambda: not containers.left())


def test_the_monitors_descriptors_stay_as_many(engine: Minidock, containers: Containers) -> None:
    script = "echo ready; trap : USR1; while :; do sleep 0.01; done"
    command = engine.start(*QUIET, "alpine", "sh", "-c", script, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert command.stdout is not None
    command.stdout.readline()
    record = containers.one_running()
    monitor = record["state"]["monitor"]
    before = eventually(lambda: waits(monitor) and open_files(monitor))
    for _ in range(50):
        command.send_signal(signal.SIGUSR1)
    eventually(lambda: waits(monitor) and open_files(monitor) == before)
    assert len(before) < 15
    os.kill(record["state"]["pid"], signal.SIGKILL)
    assert command.wait(30) == 137
    command.communicate()


def test_ten_at_once(engine: Minidock, containers: Containers) -> None:
    with ThreadPoolExecutor(10) as pool:
        done = list(pool.map(lambda _: engine("run", "--rm", "alpine", "hostname", "-i"), range(10)))
    assert [one.returncode for one in done] == [0] * 10, [one.stderr for one in done]
    eventually(lambda: not containers.left())


def test_of_ten_with_one_name_exactly_one_wins(engine: Minidock, containers: Containers) -> None:
    commands = [engine.start(*QUIET, "--name", "one", "alpine", "sleep", "1000", stderr=subprocess.PIPE)
                for _ in range(10)]  # fmt: skip
    eventually(lambda: sum(command.poll() is not None for command in commands) == 9)
    containers.one_running()
    assert engine("rm", "-f", "one").returncode == 0
    codes = sorted(command.wait(30) for command in commands)
    assert codes == [125] * 9 + [137]
    assert sum(b'name "/one" is already in use' in command.communicate()[1] for command in commands) == 9


def test_two_who_remove_the_same(engine: Minidock, containers: Containers) -> None:
    command = engine.start(*QUIET, "--name", "both", "alpine", "sleep", "1000")
    containers.one_running()
    removers = [engine.start("rm", "-f", "both", stderr=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(2)]
    assert [remover.wait(30) for remover in removers] == [0, 0], [remover.communicate() for remover in removers]
    for remover in removers:
        remover.communicate()
    assert command.wait(30) == 137
    assert containers.left() == []


def test_a_container_that_is_just_being_made_can_be_removed(engine: Minidock, containers: Containers) -> None:
    for _ in range(ROUNDS):
        command = engine.start(*QUIET, "--name", "new", "alpine", "sleep", "1000", stderr=subprocess.DEVNULL)
        eventually(containers.records)
        assert engine("rm", "-f", "new").returncode == 0
        assert command.wait(30) != 0
        eventually(lambda: not containers.left())


def test_a_container_that_is_just_ending_can_be_removed(engine: Minidock, containers: Containers) -> None:
    for _ in range(ROUNDS):
        command = engine.start("run", "--name", "ending", "alpine", "true", stderr=subprocess.DEVNULL)
        eventually(lambda: any(record["state"]["status"] != "created" for record in containers.records()))
        assert engine("rm", "-f", "ending").returncode == 0
        assert command.wait(30) in (0, 137)
        eventually(lambda: not containers.left())


def test_after_a_reboot_nothing_runs_and_no_innocent_is_killed(engine: Minidock, containers: Containers) -> None:
    """Locks vanish and files stay; the recorded pid may by now be somebody else's."""
    command = engine.start("run", "--network", "none", "--name", "old", "alpine", "sleep", "1000",
                           stderr=subprocess.DEVNULL)  # fmt: skip
    record = containers.one_running()
    innocent = subprocess.Popen(["sleep", "1000"])
    for pid in (command.pid, record["state"]["monitor"]):
        os.kill(pid, signal.SIGSTOP)
    for pid in (command.pid, record["state"]["monitor"], record["state"]["pid"]):
        os.kill(pid, signal.SIGKILL)
    command.wait(30)
    path = containers.directory / record["id"] / "container.json"
    record["state"]["pid"] = record["state"]["monitor"] = innocent.pid
    path.write_text(json.dumps(record))
    eventually(lambda: b"Exited (137)" in engine("ps", "-a").stdout)
    assert not engine("ps", "-q").stdout
    assert not (cgroup2() / "minidock" / record["id"]).exists()
    assert engine("rm", "-f", "old").returncode == 0
    assert innocent.poll() is None
    innocent.kill()
    innocent.wait()


@pytest.mark.parametrize("network", ["none", "bridge"])
def test_a_container_that_fills_the_disk_is_removed_all_the_same(
    engine: Minidock, tmp_path: Path, network: str
) -> None:
    done = on_disk(engine, tmp_path, f"""
        minidock run --rm --network {network} alpine dd if=/dev/zero of=/big bs=1M; echo code=$?
        ls "$MINIDOCK_ROOT/containers"; cat "$MINIDOCK_ROOT"/networks/*.leases.json 2>/dev/null | tr -d ' \\n'
        """)  # fmt: skip
    assert done.stdout.startswith("code=1\n"), done
    assert "No space left on device" in done.stderr
    assert done.stdout.removeprefix("code=1\n") == "" or '"leases":{}' in done.stdout


def test_a_full_disk_is_one_line_and_leaves_nothing(engine: Minidock, tmp_path: Path) -> None:
    done = on_disk(
        engine,
        tmp_path,
        """
        dd if=/dev/zero of="$MINIDOCK_ROOT/big" bs=1M 2>/dev/null; dd if=/dev/zero of="$MINIDOCK_ROOT/rest" 2>/dev/null
        minidock run --rm --network none alpine true; echo code=$?; ls "$MINIDOCK_ROOT/containers"
        rm "$MINIDOCK_ROOT/rest" "$MINIDOCK_ROOT/big"; minidock run --rm alpine echo again""",
    )
    assert done.stdout == "code=125\nagain\n", done
    assert done.stderr.count("\n") == 1
    assert "No space left on device" in done.stderr


def test_a_full_disk_does_not_keep_a_container_from_being_removed(engine: Minidock, tmp_path: Path) -> None:
    done = on_disk(
        engine,
        tmp_path,
        """
        minidock run --name filler alpine dd if=/dev/zero of=/big bs=1M 2>/dev/null; echo code=$?
        minidock rm filler; echo code=$?; ls "$MINIDOCK_ROOT/containers"; minidock run --rm alpine echo again""",
    )
    assert done.stdout == "code=1\nfiller\ncode=0\nagain\n", done


def test_a_disk_that_is_filled_again_does_not_keep_the_end_from_being_known(engine: Minidock, tmp_path: Path) -> None:
    done = on_disk(
        engine,
        tmp_path,
        """
        head -c 1000000 /dev/zero >"$MINIDOCK_ROOT/ballast"
        minidock run --name filler --network none alpine dd if=/dev/zero of=/big bs=4k 2>/dev/null
        for time in 1 2; do
            rm -f "$MINIDOCK_ROOT/ballast"; minidock start -a filler 2>/dev/null
            minidock ps -a --format '{{.State}}'; minidock inspect -f '{{.State.Status}} {{.State.ExitCode}}' filler
            truncate -s -100000 "$MINIDOCK_ROOT"/containers/*/upper/big
        done; minidock rm filler; ls "$MINIDOCK_ROOT/containers" """,
    )
    assert done.stdout == "exited\nexited 1\n" * 2 + "filler\n", done


@pytest.mark.parametrize("words", ["sh -c 'yes | head -c 40000000'", "dd if=/dev/zero of=/big bs=1M"])
@pytest.mark.parametrize("options", ["", "-v /anonymous"])
def test_whatever_fills_the_disk_rm_makes_room(engine: Minidock, tmp_path: Path, words: str, options: str) -> None:
    done = on_disk(
        engine,
        tmp_path,
        f"""
        minidock run -d --name filler {options} alpine {words} >/dev/null; minidock wait filler >/dev/null
        dd if=/dev/zero of="$MINIDOCK_ROOT/rest" 2>/dev/null
        minidock rm -f filler; echo code=$?; ls "$MINIDOCK_ROOT/containers"; minidock run --rm alpine echo again""",
    )
    assert done.stdout == "filler\ncode=0\nagain\n", done


def test_what_is_there_can_be_seen_on_a_disk_that_became_read_only(engine: Minidock, tmp_path: Path) -> None:
    done = on_disk(
        engine,
        tmp_path,
        """
        minidock run --name old --network none alpine echo said; mount -o remount,ro "$MINIDOCK_ROOT"
        minidock logs old; minidock ps -a --format '{{.Names}} {{.State}}'; minidock inspect -f '{{.Name}}' old
        minidock images -q alpine | wc -l; minidock rm old; echo code=$?""",
    )
    assert done.stdout == "said\nsaid\nold exited\n/old\n1\ncode=1\n", done
    assert done.stderr.count("\n") == 1


# How it comes to that, and how that ends.
_READ_ONLY = ('mount --bind "$MINIDOCK_ROOT" "$MINIDOCK_ROOT"; mount -o remount,ro,bind "$MINIDOCK_ROOT"',
              'umount "$MINIDOCK_ROOT"')  # fmt: skip
_NO_INODES = ('n=0; while : >"$MINIDOCK_ROOT/more$n"; do n=$((n+1)); done 2>/dev/null',
              'rm -f "$MINIDOCK_ROOT"/more*')  # fmt: skip


_NO_BLOCKS = 'for size in 1M 4k 512; do dd if=/dev/zero of="$MINIDOCK_ROOT/more$size" bs=$size; done 2>/dev/null'
_FULL = (f"{_NO_BLOCKS}; {_NO_INODES[0]}", _NO_INODES[1])


@pytest.mark.parametrize("options", ["--restart always", "--rm"])
@pytest.mark.parametrize(("how", "kind"), [(_READ_ONLY, "ext4"), (_NO_INODES, "ext4"), (_FULL, "xfs")],
                         ids=["read-only", "no inodes", "full"])  # fmt: skip
def test_what_runs_on_a_root_that_takes_no_more_can_be_ended_and_its_end_is_known(
    engine: Minidock, tmp_path: Path, how: tuple[str, str], kind: str, options: str
) -> None:
    """The signal comes first, and the end is kept where it can be."""
    done = on_disk(engine, tmp_path, f"""
        cd /
        for name in first second third; do
            minidock run -d {options} --name $name --network none alpine \
                sh -c 'trap "exit 7" TERM; while :; do sleep 0.1; done' >/dev/null
        done
        pids=$(minidock inspect -f '{{{{.State.Pid}}}}' first second third)
        {how[0]}
        minidock stop first; minidock kill second; minidock rm -f third >/dev/null 2>&1
        minidock wait first second 2>/dev/null; minidock ps -q
        for pid in $pids; do [ ! -d /proc/$pid ] || echo $pid lives; done
        {how[1]}
        minidock ps -a --format '{{{{.Names}}}} {{{{.State}}}}' | grep -v third
        rm -rf "$MINIDOCK_RUN/aside"
        minidock inspect -f '{{{{.State.ExitCode}}}}' first second 2>/dev/null
        minidock rm -f first second third >/dev/null 2>&1
        ls "$MINIDOCK_ROOT/containers" """, kind)  # fmt: skip
    if options == "--rm":
        assert [line for line in done.stdout.split() if not line.isdigit()] == ["first", "second"], done
    else:
        assert done.stdout == "first\nsecond\n7\n137\nsecond exited\nfirst exited\n7\n137\n", done


def test_what_cannot_be_restarted_has_ended(engine: Minidock, tmp_path: Path) -> None:
    """Between the two runs the monitor finds no room; whoever waits for it is told."""
    done = on_disk(engine, tmp_path, f"""
        cd /
        minidock run -d --name first --network none alpine sleep 1000 >/dev/null
        {_FULL[0]}
        minidock restart -t 0 first; echo code=$?
        minidock ps -a --format '{{{{.State}}}}'; minidock inspect -f '{{{{.State.ExitCode}}}}' first
        {_FULL[1]}
        minidock rm first; ls "$MINIDOCK_ROOT/containers" """, "xfs")  # fmt: skip
    assert done.stdout == "code=1\nexited\n137\nfirst\n", done
    assert done.stderr.startswith("minidock: Cannot restart container first: ")
    assert "No space left on device" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_read_only_root_is_one_line(engine: Minidock, tmp_path: Path) -> None:
    done = on_disk(
        engine,
        tmp_path,
        """
        mount -o remount,ro "$MINIDOCK_ROOT"; minidock run --rm alpine true; echo code=$?; minidock ps -a""",
    )
    assert done.stdout.startswith("code=125\n"), done
    assert "Read-only file system" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_cidfile_of_a_container_that_never_ran_goes_with_it(engine: Minidock, tmp_path: Path) -> None:
    file = tmp_path / "cid"
    assert engine("run", "--cidfile", str(file), "alpine", "no-such-program").returncode == 127
    assert engine("rm", file.read_text()).returncode == 0  # it stays as created, as docker's
    assert not file.exists()


def test_a_record_that_a_power_cut_left_empty_blocks_nobody(engine: Minidock) -> None:
    directory = engine.root / "containers" / ("ab" * 32)
    directory.mkdir()
    for name in ("lock", "container.json"):
        (directory / name).touch()
    assert engine("ps", "-a", "-q").stdout == b""
    assert not directory.exists()


def test_a_cgroup_that_cannot_be_listed_is_not_forgotten(engine: Minidock, containers: Containers) -> None:
    """What is below it, only a list of it can tell: until there is one, nothing is said to be removed."""
    engine("run", "-d", "--name", "odd", "--network", "none", "alpine", "sleep", "1000")
    record = containers.one_running()
    cgroup = cgroup2() / record["cgroup"].lstrip("/")
    (cgroup / "below").mkdir()
    cgroup.chmod(0o311)
    os.kill(record["state"]["monitor"], signal.SIGKILL)
    eventually(lambda: not (cgroup / "cgroup.procs").read_text())
    without = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *engine.program]
    done = subprocess.run([*without, "rm", "-f", "odd"], env=engine.environment, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.decode().splitlines() == [f"minidock: {cgroup}: Permission denied"]
    assert cgroup.exists()
    engine("ps")
    assert containers.left({record["id"]}) == []
