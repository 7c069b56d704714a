"""Limits that cannot be: for this host, for this kernel, for anybody. One line, exit code 125, nothing left."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.limits.containers import has_controller
from tests.support.command import Minidock

NEEDS = {
    ("--memory", "64m"): "memory",
    ("--memory-reservation", "64m"): "memory",
    ("--cpus", "0.5"): "cpu",
    ("--cpu-shares", "512"): "cpu",
    ("--cpuset-cpus", "0"): "cpuset",
    ("--cpuset-mems", "0"): "cpuset",
    ("--pids-limit", "10"): "pids",
    ("--blkio-weight", "500"): "io",
    ("--device-read-bps", "DISK:1mb"): "io",
    ("--device-write-bps", "DISK:1mb"): "io",
    ("--device-read-iops", "DISK:10"): "io",
    ("--device-write-iops", "DISK:10"): "io",
}

WRONG = {
    ("-m", "5m"): "Minimum memory limit allowed is 6MB",
    ("-m", "6291455"): "Minimum memory limit allowed is 6MB",
    ("-m", "lots"): "invalid size: 'lots'",
    ("-m", "-1"): "invalid size",
    ("--memory-reservation", "5m"): "Minimum memory reservation allowed is 6MB",
    ("-m", "64m", "--memory-reservation", "65m"): "less than memory reservation",
    ("-m", "64m", "--memory-swap", "63m"): "larger than memory limit",
    ("--memory-swap", "64m"): "always set the Memory limit when using Memoryswap limit",
    ("--cpus", "0.005"): "Range of CPUs is from 0.01",
    ("--cpus", "100000"): "Range of CPUs is from 0.01",
    ("--cpus", "-1"): "Range of CPUs is from 0.01",
    ("--cpus", "nan"): "Range of CPUs is from 0.01",
    ("--cpus", "all"): "failed to parse all as a rational number",
    ("--cpu-shares", "-1"): "cannot be negative",
    ("--cpuset-cpus", "4000"): "Requested CPUs are not available",
    ("--cpuset-cpus", "0-"): "invalid format: 0-",
    ("--cpuset-mems", "4000"): "Requested memory nodes are not available",
    ("--pids-limit", "few"): 'strconv.ParseInt: parsing "few": invalid syntax',
    ("--blkio-weight", "9"): "from 10 to 1000",
    ("--blkio-weight", "1001"): "from 10 to 1000",
    ("--device-read-bps", "/dev/nothing:1mb"): "No such file",
    ("--device-read-bps", "/dev/null:1mb"): "/dev/null is not a block device",
    ("--device-read-bps", "/etc/passwd:1mb"): "/etc/passwd is not a block device",
    ("--device-read-bps", "1mb"): "bad format",
    ("--device-write-iops", "/dev/null:1mb"): "bad format",
    ("--device-write-bps", "/dev/null:-1"): "bad format",
}


@pytest.fixture(scope="session", autouse=True)
def _image(minidock: Minidock) -> None:
    """So that no line of its making stands among the errors."""
    assert minidock("run", "--rm", "--network", "none", "busybox", "true").returncode == 0


def refusal(minidock: Minidock, *flags: str) -> str:
    done = minidock("run", "--rm", *flags, "busybox", "true")
    assert (done.returncode, done.stdout) == (125, b"")
    assert minidock("ps", "-aq").stdout == b""
    (line,) = done.stderr.decode().splitlines()
    return line


@pytest.mark.parametrize(("flags", "controller"), NEEDS.items(), ids=lambda value: value[0] if value else "")
def test_a_controller_that_this_host_lacks_is_named(
    minidock: Minidock, flags: tuple[str, str], controller: str, a_disk: str
) -> None:
    if has_controller(controller):
        pytest.skip(f"this host has {controller}")
    line = refusal(minidock, *(word.replace("DISK", a_disk) for word in flags))
    assert f" no {controller} controller at /" in line
    assert "minidock info" in line


def test_asking_for_no_limit_needs_no_controller(minidock: Minidock) -> None:
    flags = ("--pids-limit", "-1", "--memory-swap", "-1", "--cpus", "0", "-m", "0", "--blkio-weight", "0")
    assert minidock("run", "--rm", "--network", "none", *flags, "busybox", "true").returncode == 0


@pytest.mark.parametrize(
    ("flags", "words"), WRONG.items(), ids=lambda value: "=".join(value) if type(value) is tuple else ""
)
def test_a_value_that_cannot_be_meant(minidock: Minidock, flags: tuple[str, ...], words: str) -> None:
    assert words in refusal(minidock, *flags)


@pytest.fixture
def a_disk() -> str:
    """Some block device. That it is not in use does not matter: nothing is read or written."""
    for path in sorted(Path("/sys/block").iterdir()):
        if (node := Path("/dev", path.name)).exists():
            return str(node)
    pytest.skip("no block device here")


@pytest.fixture
def partition(tmp_path: Path) -> Iterator[str]:
    """A part of a disk that is a file."""
    (tmp_path / "disk").write_bytes(b"\0" * 65536)
    attach = ["losetup", "--find", "--show", "--partscan", tmp_path / "disk"]
    loop = subprocess.run(attach, capture_output=True, text=True, check=True).stdout.strip()
    try:
        subprocess.run(["addpart", loop, "1", "8", "64"], check=True)
        number = Path(f"/sys/block/{Path(loop).name}/{Path(loop).name}p1/dev").read_text()
        os.mknod(tmp_path / "p1", stat.S_IFBLK | 0o600, os.makedev(*map(int, number.split(":"))))
        yield str(tmp_path / "p1")
    finally:
        subprocess.run(["losetup", "--detach", loop], check=True)


def test_a_partition_has_no_limits_of_its_own(minidock: Minidock, partition: str) -> None:
    assert refusal(minidock, "--device-read-bps", f"{partition}:1mb").endswith(
        f"{partition} is a partition: the kernel limits whole disks only"
    )
