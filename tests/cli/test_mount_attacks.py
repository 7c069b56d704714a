"""Mounts while somebody exchanges the paths, and masks where an image has no null device."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from minidock.linux import openat2
from tests.cli.conftest import MakeImage, Run
from tests.cli.test_run_files import parse
from tests.support.command import Minidock
from tests.support.swapping import exchanging

TIMES = 12


def test_a_read_only_bind_is_so_whoever_exchanges_its_place(run: Run, tmp_path: Path) -> None:
    """Two binds in a volume that others write to, too: a look at the place after the mount would find the other one."""
    volume = tmp_path / "volume"
    for name in ("a/x", "b/x"):
        (volume / name).mkdir(parents=True)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    words = ["-v", f"{volume}:/v", "-v", f"{tmp_path}/one:/v/a/x:ro", "-v", f"{tmp_path}/two:/v/b/x"]
    with exchanging(volume / "a", volume / "b"):
        for _ in range(TIMES):
            done = run(*words, "alpine", "cat", "/proc/1/mountinfo")
            assert (done.code, done.err) == (0, "")
            rows = [line.split() for line in done.out.splitlines()]
            found = {os.path.basename(row[3]): row[5].split(",")[0] for row in rows if row[3].startswith(str(tmp_path))}
            assert found == {"volume": "rw", "one": "ro", "two": "rw"}


def test_places_are_found_while_everything_is_renamed(tmp_path: Path) -> None:
    """Any rename on the machine makes the kernel give up a path with ".." (EAGAIN): it is looked up again."""
    (tmp_path / "root/d/e").mkdir(parents=True)
    for name in ("one", "two"):
        (tmp_path / name).touch()
    (tmp_path / "root/up").symlink_to("d/../d/../d/e/..")
    root = os.open(tmp_path / "root", os.O_PATH | os.O_DIRECTORY)
    try:
        with exchanging(tmp_path / "one", tmp_path / "two"):
            for number in range(2000):
                os.close(openat2.open_in(root, "/up/e/../e"))
                os.close(openat2.make_in(root, f"/up/new{number % 50}", directory=True))
    finally:
        os.close(root)


HIDDEN = ("/proc/keys", "/proc/timer_list", "/proc/interrupts")


@pytest.mark.parametrize("null", ["", "link", "dir"])
def test_what_is_masked_is_so_without_a_null_device_in_the_image(run: Run, make_image: MakeImage, null: str) -> None:
    """A volume on /dev takes the place of ours; what it has as /dev/null would be seen instead of the masked files."""
    entries = {"": [], "link": [("dev/", ""), ("dev/null", "/proc/version")], "dir": [("dev/", ""), ("dev/null/", "")]}
    image = make_image(*entries[null], changes=("VOLUME /dev",))
    b = "/bin/busybox"
    script = f"{b} cat /proc/self/mountinfo; echo; {b} cat {' '.join(HIDDEN)}"
    done = run(image, "/bin/sh", "-c", script)
    mountinfo, _, seen = done.out.partition("\n\n")
    mounts = parse(mountinfo)
    assert done.err == ""
    assert seen == ""
    assert all("ro" in mounts[path][0] for path in (*HIDDEN, "/proc/sys", "/sys/firmware"))


def test_a_mask_is_nobody_s_file(run: Run) -> None:
    """The null device in a masked file's place is not the host's, whose mode a container's root would change."""
    before = os.stat("/dev/null")
    assert "Read-only file system" in run.shell("chmod 0 /proc/keys 2>&1 || true; test -c /proc/keys; : >/proc/keys")
    assert os.stat("/dev/null") == before
    assert "254:" not in run.shell("grep ' /proc/keys ' /proc/self/mountinfo | cut -d' ' -f3")


def test_temperatures_are_masked_where_the_host_has_them(minidock: Minidock, run: Run) -> None:
    """Of each processor, as docker does: what a container heats, another one sees."""
    program = " ".join(minidock.program)
    script = (
        "mount -t tmpfs none /sys/devices/system/cpu && mkdir -p /sys/devices/system/cpu/cpu0/thermal_throttle "
        "/sys/devices/system/cpu/cpu11/thermal_throttle /sys/devices/system/cpu/cpufreq/thermal_throttle && "
        f"id=$({program} create --network none alpine true) && {program} inspect $id && {program} rm $id >/dev/null"
    )
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], env=minidock.environment, stdout=-1, check=True)
    shown = [path for path in json.loads(done.stdout)[0]["HostConfig"]["MaskedPaths"] if "thermal" in path]
    assert shown == [f"/sys/devices/system/cpu/cpu{number}/thermal_throttle" for number in (0, 11)]
