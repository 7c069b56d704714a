"""Rows of the table in docs/oci.md that no engine asks for often: each is looked at in the kernel."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.oci.conftest import Oci


def test_how_a_process_is_scheduled(oci: Oci) -> None:
    oci.configure("sleep", "1000", process={
        "scheduler": {"policy": "SCHED_BATCH", "nice": 5}, "ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 6},
    }, linux={"personality": {"domain": "LINUX32"}})  # fmt: skip
    assert oci.run("one", "-d").returncode == 0
    pid = oci.state("one")["pid"]
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    assert (int(fields[38]), int(fields[16])) == (os.SCHED_BATCH, 5)  # policy and nice of proc(5), after the name
    said = subprocess.run(["ionice", "-p", str(pid)], capture_output=True, text=True, check=True)
    assert said.stdout == "best-effort: prio 6\n"
    assert Path(f"/proc/{pid}/personality").read_text() == "00000008\n"
    if os.uname().machine == "x86_64":
        assert oci.ok("exec", "one", "uname", "-m") == "i686\n"


def test_a_tmpfs_that_begins_as_a_copy(oci: Oci) -> None:
    (oci.bundle / "rootfs/etc/kept").write_text("kept\n")
    (oci.bundle / "rootfs/etc/kept").chmod(0o640)
    script = "cat /etc/kept; stat -c %a /etc/kept; echo new > /etc/kept; grep -c ' /etc tmpfs' /proc/mounts"
    config = oci.configure("sh", "-c", script)
    config["mounts"].append({"destination": "/etc", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup"]})
    oci.write(config)
    assert oci.ok("run", "--bundle", str(oci.bundle), "one").split() == ["kept", "640", "1"]
    assert (oci.bundle / "rootfs/etc/kept").read_text() == "kept\n"


@pytest.mark.parametrize("own", [True, False])
def test_a_bind_with_other_ids(oci: Oci, tmp_path: Path, own: bool) -> None:
    """By maps of its own, which say enough, or by those of the container's user namespace."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "file").touch()
    os.chown(source / "file", 1000 if own else 0, 1000 if own else 0)
    maps = [{"containerID": 1000, "hostID": 3000, "size": 1}]
    mount = {
        "destination": "/tmp",
        "type": "bind",
        "source": str(source),
        "options": ["bind"] if own else ["bind", "idmap"],
    }
    config = oci.configure("stat", "-c", "%u:%g", "/tmp/file")
    config["mounts"].append(mount | ({"uidMappings": maps, "gidMappings": maps} if own else {}))
    if not own:
        config["linux"]["namespaces"].append({"type": "user"})
        ids = [{"containerID": 0, "hostID": 100000, "size": 65536}]
        config["linux"] |= {"uidMappings": ids, "gidMappings": ids}
        os.chown(oci.bundle / "rootfs", 100000, 100000)
    oci.write(config)
    done = oci.run("one")
    if "the ids of this mount cannot be mapped" in done.stderr:
        pytest.skip("the file system of the tests' directory cannot map ids")
    assert done.stdout == ("3000:3000\n" if own else "0:0\n"), done.stderr


def _has_rdma() -> bool:
    rows = [line.split() for line in Path("/proc/cgroups").read_text().splitlines()[1:]]
    return any(row[0] == "rdma" and row[-1] == "1" for row in rows)


@pytest.mark.skipif(_has_rdma(), reason="this kernel has an rdma controller")
def test_rdma_without_its_controller(oci: Oci) -> None:
    oci.configure("true", linux={"resources": {"rdma": {"mlx5_1": {"hcaHandles": 3}}}})
    done = oci.run("one")
    assert (done.returncode, done.stderr.count("\n"), "rdma" in done.stderr) == (1, 1, True)


def test_users_of_another_with_namespaces_of_its_own(oci: Oci) -> None:
    config = oci.configure("true")
    config["linux"]["namespaces"].append({"type": "user", "path": "/proc/self/ns/user"})
    oci.write(config)
    done = oci.run("one")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "to join a user namespace and make others in it" in done.stderr


def test_systemd_where_there_is_none(oci: Oci) -> None:
    if Path("/run/systemd/system").is_dir():
        pytest.skip("systemd runs here")
    oci.configure("true", linux={"cgroupsPath": "a.slice:b:c"})
    assert "meant for systemd" in oci.run("one").stderr
    done = oci("--systemd-cgroup", "run", "--bundle", str(oci.bundle), "one")
    assert (done.returncode, "systemd is not running" in done.stderr) == (1, True)
