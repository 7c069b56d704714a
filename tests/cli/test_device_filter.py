"""Where no cgroup v2 is mounted, no filter is asked when a device is opened: no node works in any mount."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from minidock.linux import cgroups
from tests.cli.conftest import Run
from tests.cli.test_run_files import parse
from tests.support.command import Minidock

CONTENT = b"the host's disk" + bytes(1 << 20)


class WithoutHierarchy(Minidock):
    """The program in a mount namespace in which the cgroup v2 hierarchy is not mounted."""

    @property
    def program(self) -> list[str]:
        hidden = f'umount -l {cgroups.hierarchy()} && exec "$@"'
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c", hidden, "sh", *super().program]


@pytest.fixture
def blind(run: Run) -> Run:
    """`run`, where there is no cgroup v2."""
    return Run(WithoutHierarchy(run.minidock.root, run.minidock.run))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[os.stat_result]:
    """A block device, the like of a host's disk; whatever a container does, it stays as it is."""
    file = tmp_path / "disk"
    file.write_bytes(CONTENT)
    device = subprocess.check_output(["losetup", "--find", "--show", file], text=True).strip()
    yield os.stat(device)
    subprocess.run(["losetup", "--detach", device], check=True)
    assert file.read_bytes() == CONTENT


@pytest.fixture
def image(minidock: Minidock, disk: os.stat_result, run: Run) -> str:
    """An image with a node of that disk, which everybody may use as far as its mode goes, also in its volume."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.add("/bin/busybox", "bin/busybox")
        for name in ("disk", "v/disk", "dev/shm/disk"):
            info = tarfile.TarInfo(name)
            info.type, info.mode = tarfile.BLKTYPE, 0o666
            info.devmajor, info.devminor = os.major(disk.st_rdev), os.minor(disk.st_rdev)
            tar.addfile(info)
    assert minidock("import", "--change", "VOLUME /v", "-", "nodes", input=buffer.getvalue()).returncode == 0
    return "nodes"


TRY = (
    "b=/bin/busybox; for node in /disk /v/disk /bind/disk; do $b test -b $node || echo missing; "
    "$b head -c 10 $node && echo read; echo x >$node && echo written; done; echo x >/dev/null && $b head -c1 /dev/zero "
    "| $b wc -c"
)


@pytest.mark.parametrize("options", [[], ["-u", "1000"], ["--security-opt", "systempaths=unconfined"],
                                     ["--cap-add", "SYS_RAWIO"]], ids=" ".join)  # fmt: skip
@pytest.mark.parametrize("where", ["blind", "run"])
def test_a_node_in_a_layer_a_volume_or_a_bind_opens_nothing(
    request: pytest.FixtureRequest, tmp_path: Path, disk: os.stat_result, image: str, where: str, options: list[str]
) -> None:
    bind = tmp_path / "bind"
    bind.mkdir()
    os.mknod(bind / "disk", 0o60666, disk.st_rdev)
    (bind / "disk").chmod(0o666)
    run: Run = request.getfixturevalue(where)
    done = run(*options, "-v", f"{bind}:/bind", image, "/bin/busybox", "sh", "-c", TRY)
    assert done.out == "1\n"  # the container's own /dev works
    assert done.err.count("ermission denied" if where == "blind" else "not permitted") == 6


def test_only_its_own_dev_has_devices(blind: Run, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    options = ["-v", f"{tmp_path}:/bind", "-v", "/v", "--tmpfs", "/t:dev", "--mount", "type=tmpfs,dst=/m", "-v",
               f"{tmp_path}/file:/file:ro", "--init"]  # fmt: skip
    mounts = parse(blind.shell("cat /proc/1/mountinfo", *options))
    usable = {place for place, (words, *_) in mounts.items() if "nodev" not in words}
    masks = {place for place in usable if place.startswith(("/proc/", "/sys/"))}
    assert usable - masks == {"/dev", "/dev/pts"}
    assert {"/", "/bind", "/v", "/t", "/m", "/file", "/dev/shm", "/dev/mqueue", "/dev/init", "/etc/hosts"} <= {*mounts}
    assert all("ro" in mounts[place][0] for place in masks)  # each is the null device, or empty


REFUSED = {
    "--cap-add SYS_ADMIN": "CAP_SYS_ADMIN cannot be given",
    "--cap-add MKNOD": "CAP_MKNOD cannot be given",
    "--cap-add ALL": "CAP_SYS_ADMIN cannot be given",
    "--device /dev/loop-control:/dev/lc:r": "/dev/lc cannot be had for less than reading and writing",
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_no_filter_makes_safe_is_refused(blind: Run, words: str) -> None:
    done = blind(*words.split(), "alpine", "true")
    assert (done.code, done.out) == (125, "")
    assert done.err.startswith(f"minidock: {REFUSED[words]}")
    assert done.err.count("\n") == 1


def test_what_is_asked_for_by_name_is_had(blind: Run, disk: os.stat_result, image: str) -> None:
    device = f"/dev/loop{os.minor(disk.st_rdev)}"
    read = ["/bin/busybox", "head", "-c", "15"]
    assert blind("--device", f"{device}:/dev/x", image, *read, "/dev/x").out == "the host's disk"
    assert blind("--privileged", image, *read, "/disk").out == "the host's disk"
    done = blind("--device", f"{device}:/dev/x", image, *read, "/disk")
    assert (done.code, done.out) == (1, "")


def test_who_goes_in_gets_no_more(blind: Run, run: Run, disk: os.stat_result, image: str) -> None:
    """exec where the container was started without a cgroup; and from where its cgroup is out of sight."""
    sleep = ["/bin/busybox", "sleep", "1000"]
    for here, code, words in ((blind, 125, "CAP_MKNOD and CAP_SYS_ADMIN cannot be given"), (run, 0, "")):
        assert here.minidock("run", "-d", "--name", "in", "--network", "none", image, *sleep).returncode == 0
        try:
            for there in (blind, run):
                done = there.minidock("exec", "in", "/bin/busybox", "head", "-c", "10", "/disk")
                assert (done.returncode != 0, done.stdout) == (True, b"")
                assert any(why in done.stderr for why in (b"denied", b"not permitted", b"cannot be entered"))
            done = here.minidock("exec", "--privileged", "in", "/bin/busybox", "true")
            assert (done.returncode, words in done.stderr.decode()) == (code, True)
        finally:
            assert run.minidock("rm", "-f", "in").returncode == 0
