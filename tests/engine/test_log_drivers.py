"""Log drivers, and rotated files that are compressed: the same lines come back, whatever is on disk."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from minidock.engine.container import cleanup
from minidock.engine.logs import log_drivers
from minidock.engine.logs.log_drivers import local
from minidock.engine.logs.log_files import leave_out, open_all
from minidock.engine.logs.log_writer import PARTIAL, Log
from tests.engine.containers import Containers, eventually, followers
from tests.engine.test_life import no_containers_afterwards, ok
from tests.support.command import Minidock

__all__ = ["no_containers_afterwards", "ok"]

Ok = Callable[..., str]
DRIVERS = pytest.mark.parametrize("driver", log_drivers.NAMES)
NOTHING_TO_COMPRESS = "compress cannot be true when max-file is less than 2 or max-size is not set"
COMPRESSED = ("--log-opt", "max-size=2k", "--log-opt", "max-file=3", "--log-opt", "compress=true")


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "log")


def write(path: str, driver: str, *blocks: bytes, **settings: Any) -> None:
    log = Log(path, driver=driver, **settings)
    for block in blocks:
        log.write("stdout", block)
    log.close()
    assert log.failure is None


def read(path: str, driver: str, tail: int | None = None) -> str:
    files = open_all(path, log_drivers.find(driver))
    if tail is not None:
        leave_out(files, tail)
    found = "".join(record["log"] for file in files for block in file.records() for record in block)
    for file in files:
        file.close()
    return found


@DRIVERS
def test_what_is_printed_is_what_is_read(path: str, driver: str) -> None:
    long = b"x" * (2 * PARTIAL + 5) + b"\n"
    printed = [b"one\ntwo\n", b"\n", b"half ", b"a line\n", long, "café ☕\n".encode(), b"end"]
    write(path, driver, *printed)
    assert read(path, driver) == b"".join(printed).decode()
    write(path, driver, b"again\n")
    assert read(path, driver, tail=1) == "again\n"


@DRIVERS
@pytest.mark.parametrize("tail", [0, 1, 7, 120, 121, 400, 1000])
@pytest.mark.parametrize("compress", [False, True])
def test_the_last_lines_of_many_files(path: str, driver: str, tail: int, compress: bool) -> None:
    lines = [f"line {number}\n" for number in range(400)]
    write(path, driver, *(line.encode() for line in lines), max_size=2000, max_file=50, compress=compress)
    rotated = sorted(name for name in os.listdir(os.path.dirname(path)) if name != "log")
    assert len(rotated) > 5
    assert all(name.endswith(".gz") is compress for name in rotated)
    assert read(path, driver, tail) == "".join(lines[len(lines) - tail :])
    assert read(path, driver) == "".join(lines)


@DRIVERS
@pytest.mark.parametrize("cut", [1, 3, 4, 5, 9, 25])
def test_half_a_record_of_a_killed_writer_is_cut_off(path: str, driver: str, cut: int) -> None:
    write(path, driver, b"one\ntwo\n")
    os.truncate(path, os.path.getsize(path) - cut)
    assert read(path, driver) == "one\n"
    write(path, driver, b"three\n")
    assert read(path, driver) == "one\nthree\n"
    assert read(path, driver, tail=2) == "one\nthree\n"


@pytest.mark.parametrize("garbage", [b"\xff" * 100, b"\0\0\0\x05hello\0\0\0\x06", b"\0\0\0\x02\x0a\x7f\0\0\0\x02"])
def test_what_is_no_record_harms_nobody(path: str, garbage: bytes) -> None:
    write(path, "local", b"one\n")
    with open(path, "ab") as file:
        file.write(garbage)
    assert read(path, "local").startswith("one\n")
    assert len(read(path, "local", tail=1)) <= 4


def test_a_writer_killed_while_it_compresses_costs_nothing(path: str) -> None:
    """The file and what it was compressed to, both there; and what is only begun."""
    write(path, "json-file", *(b"%d\n" % number for number in range(60)), max_size=1000, max_file=9)
    before = read(path, "json-file")
    Path(f"{path}.2.gz").write_bytes(gzip.compress(Path(f"{path}.2").read_bytes()))
    Path(f"{path}.1.gz.tmp").write_bytes(b"\x1f\x8b")
    assert read(path, "json-file") == before
    write(path, "json-file", *(b"%d\n" % number for number in range(60, 80)), max_size=1000, max_file=9, compress=True)
    assert read(path, "json-file") == "".join(f"{number}\n" for number in range(80))
    assert not [name for name in os.listdir(os.path.dirname(path)) if name.endswith((".1", ".2", ".3", ".4", ".5"))]


def test_a_compressed_file_that_is_cut_gives_what_it_has(path: str) -> None:
    write(path, "json-file", *(b"%d\n" % number for number in range(30)), max_size=1000, max_file=9, compress=True)
    os.truncate(f"{path}.1.gz", os.path.getsize(f"{path}.1.gz") // 2)
    assert read(path, "json-file").startswith("0\n1\n2\n")
    assert read(path, "json-file").endswith("29\n")


def test_what_is_removed_with_a_container_is_every_driver_s() -> None:
    assert {log_drivers.find(name).SUFFIX for name in log_drivers.NAMES} == set(cleanup.LOG_SUFFIXES)


pytestmark = pytest.mark.usefixtures("no_containers_afterwards")


def test_local_is_read_as_json_file_is(engine: Minidock, ok: Ok) -> None:
    script = r"echo out; echo err >&2; printf 'caf\303\251 \377\nend'"
    engine("run", "--name", "said", "--network", "none", "--log-driver", "local", "alpine", "sh", "-c", script)
    done = engine("logs", "said")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"out\ncaf\xc3\xa9 \xff\nend", b"err\n")
    assert engine("logs", "-t", "said").stdout.splitlines()[0].endswith(b" out")
    shown = json.loads(ok("inspect", "said"))[0]
    assert (shown["LogPath"], shown["HostConfig"]["LogConfig"]) == ("", {"Type": "local", "Config": {}})
    assert {"json-file", "local"} <= set(json.loads(ok("info", "--format", "{{json .Plugins.Log}}")))


@DRIVERS
def test_rotated_files_are_compressed_and_read(ok: Ok, containers: Containers, driver: str) -> None:
    words = ("--network", "none", "--log-driver", driver, *COMPRESSED, "alpine", "seq", "400")
    ok("run", "--name", "said", *words)
    (directory,) = containers.directory.glob("*/")
    rotated = list(directory.glob("*.log.*"))
    assert sorted(path.name[-5:] for path in rotated) == [".1.gz", ".2.gz"]
    assert all(gzip.decompress(path.read_bytes()) for path in rotated)
    everything = "".join(f"{number}\n" for number in range(1, 401))
    shown = ok("logs", "said")
    assert shown
    assert everything.endswith(shown)
    assert ok("logs", "-f", "said") == shown
    assert ok("logs", "--tail", "20", "said") == "".join(f"{number}\n" for number in range(381, 401))


@DRIVERS
def test_a_small_monitor_writes_the_same(ok: Ok, containers: Containers, driver: str) -> None:
    """One that waits as monitor/idle.py, which opens the log anew; it rotates and compresses, too."""
    script = "printf half; until [ -e /go ]; do sleep 0.01; done; echo ' a line'; seq 300; touch /done; exec sleep 1000"
    words = ("--network", "none", "--init", "--log-driver", driver, *COMPRESSED, "alpine", "sh", "-c", script)
    ok("run", "-d", "--name", "quiet", *words)
    state = containers.one_running()["state"]
    command = Path("/proc", str(state["monitor"]), "cmdline")
    eventually(lambda: b"/idle." in command.read_bytes())
    Path(f"/proc/{state['pid']}/root/go").touch()
    eventually(Path(f"/proc/{state['pid']}/root/done").exists)
    (directory,) = containers.directory.glob("*/")
    everything = "half a line\n" + "".join(f"{number}\n" for number in range(1, 301))
    shown = eventually(lambda: (text := ok("logs", "quiet")).endswith("\n300\n") and text)
    assert everything.endswith(str(shown))
    assert b"/idle." in command.read_bytes()
    assert sorted(path.name[-5:] for path in directory.glob("*.log.*")) == [".1.gz", ".2.gz"]


@DRIVERS
def test_who_follows_misses_nothing_and_hears_nothing_twice(
    engine: Minidock, ok: Ok, containers: Containers, driver: str
) -> None:
    waiting = "seq 60; until [ -e /go ]; do sleep 0.01; done; seq 61 3000"
    words = ("--network", "none", "--log-driver", driver, *COMPRESSED, "alpine", "sh", "-c", waiting)
    name = ok("run", "-d", *words).strip()
    with engine.start("logs", "-f", name, stdout=subprocess.PIPE) as reader:
        eventually(lambda: followers(containers.directory / name))
        Path(f"/proc/{containers.one_running()['state']['pid']}/root/go").touch()
        assert reader.communicate(timeout=60)[0] == "".join(f"{number}\n" for number in range(1, 3001)).encode()
    assert ok("wait", name) == "0\n"


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ("json-file max-size=1k compress=true", NOTHING_TO_COMPRESS),
        ("json-file max-file=3 compress=true", NOTHING_TO_COMPRESS),
        ("json-file compress=yes", 'strconv.ParseBool: parsing "yes": invalid syntax'),
        ("json-file max-file=x", 'strconv.Atoi: parsing "x": invalid syntax'),
        ("local labels=a", "unknown log opt 'labels' for log driver local"),
        ("local max-file=1", "compression cannot be enabled when max file count is 1"),
        ("local max-file=-1 compress=0", "max file count cannot be less than 0"),
        ("local max-size=x", "invalid value for max-size: x: invalid size: 'x'"),
        ("local max-file=x", 'invalid value for max-file: x: strconv.Atoi: parsing "x": invalid syntax'),
        ("local compress=x", 'error reading compress log option: strconv.ParseBool: parsing "x": invalid syntax'),
    ],
)
def test_refused_in_docker_s_words(engine: Minidock, options: str, why: str) -> None:
    driver, *rest = options.split()
    words = [word for option in rest for word in ("--log-opt", option)]
    done = engine("create", "--log-driver", driver, *words, "alpine", "true")
    assert (done.returncode, done.stdout, done.stderr.decode()) == (1, b"", f"minidock: {why}\n")


# Written by docker 26.1.5 for: docker run --log-driver local alpine sh -c 'echo hello; echo; echo oops >&2; printf end'
ID = b"3be9f84a81dc037ef80f5035d735578e61fefedb01f7b03f959322aa09d4d9be"
DOCKER_S = (
    b"\0\0\0\x18\n\x06stderr\x10\xf7\xc2\xf3\xb1\xd8\xc5\xb7\xf6\x18\x1a\x04oops\0\0\0\x18",
    b"\0\0\0\x19\n\x06stdout\x10\xaf\xee\xf7\xb1\xd8\xc5\xb7\xf6\x18\x1a\x05hello\0\0\0\x19",
    b"\0\0\0\x12\n\x06stdout\x10\xec\xf3\xf8\xb1\xd8\xc5\xb7\xf6\x18\0\0\0\x12",
    b"\0\0\0_\n\x06stdout\x10\x93\xce\xdb\xcb\xd8\xc5\xb7\xf6\x18\x1a\x03end \x01*D\x12@" + ID + b"\x18\x01\0\0\0_",
)


def test_a_file_of_docker_s_is_read() -> None:
    found, size = local.parse(b"".join(DOCKER_S))
    assert size == sum(map(len, DOCKER_S))
    assert [(record["stream"], record["log"], record["time"][11:]) for record in found] == [
        ("stderr", "oops\n", "16:03:58.521016695Z"),
        ("stdout", "hello\n", "16:03:58.521087791Z"),
        ("stdout", "\n", "16:03:58.521104876Z"),
        ("stdout", "end", "16:03:58.575150867Z"),
    ]


def test_the_record_is_docker_s() -> None:
    """Byte for byte, but for the time and the id of a line in parts."""
    ours = [local.lines("stderr", b"oops\n", {}), local.lines("stdout", b"hello\n", {}),
            local.lines("stdout", b"\n", {}), local.part("stdout", b"end", {})]  # fmt: skip
    time, name = slice(13, 22), slice(33, 97)
    for own, docker_s in zip(ours, DOCKER_S, strict=True):
        blank = [bytearray(own), bytearray(docker_s)]
        for row in blank:
            row[time] = b"t" * 9
            if len(row) > 95:
                row[name] = b"i" * 64
        assert blank[0] == blank[1]
