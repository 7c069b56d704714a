"""How far a container is apart from the host: namespaces, devices and rights that flags change, seen from inside."""

import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.support.command import Minidock


def namespace(kind: str) -> str:
    return os.readlink(f"/proc/self/ns/{kind}")


HOSTS = {"pid": "--pid", "uts": "--uts", "ipc": "--ipc", "cgroup": "--cgroupns"}


@pytest.mark.parametrize("kind", HOSTS)
def test_the_host_s_own_namespace(run: Run, kind: str) -> None:
    inside = f"readlink /proc/self/ns/{kind}"
    assert run.shell(inside, HOSTS[kind], "host") == f"{namespace(kind)}\n"
    assert run.shell(inside) != f"{namespace(kind)}\n"


def test_what_comes_with_the_host_s_namespaces(run: Run) -> None:
    assert run.shell("hostname; cat /etc/hostname", "--uts", "host") == 2 * f"{socket.gethostname()}\n"
    assert run.shell(f"ls -d /proc/{os.getpid()}", "--pid", "host") == f"/proc/{os.getpid()}\n"
    probe = Path(f"/dev/shm/minidock-test-{os.getpid()}")
    probe.write_text("shared")
    try:
        assert run.shell(f"cat {probe}; mount | grep -c mqueue", "--ipc", "host") == "shared1\n"
    finally:
        probe.unlink()


@pytest.fixture
def donor(minidock: Minidock, run: Run) -> Iterator[str]:
    """A running container whose namespaces others may share."""
    script = "echo here >/dev/shm/file; exec sleep 1000"
    words = ["--name", "donor", "--network", "none", "--ipc", "shareable", "--shm-size", "1m"]
    done = minidock("run", "-d", *words, "alpine", "sh", "-c", script)
    assert done.returncode == 0, done.stderr
    yield "donor"
    assert minidock("rm", "-f", "donor").returncode == 0


def test_another_container_s_namespaces(run: Run, minidock: Minidock, donor: str) -> None:
    pid = json.loads(minidock("inspect", donor).stdout)[0]["State"]["Pid"]
    expected = [os.readlink(f"/proc/{pid}/ns/{kind}") for kind in ("pid", "ipc")]
    script = "readlink /proc/self/ns/pid; readlink /proc/self/ns/ipc; cat /dev/shm/file; tr '\\0' ' ' </proc/1/cmdline"
    out = run.shell(script, "--pid", f"container:{donor}", "--ipc", f"container:{donor}")
    assert out.splitlines() == [*expected, "here", "sleep 1000 "]
    assert "size=1024k" in run.shell("grep /dev/shm /proc/mounts", "--ipc", f"container:{donor}")
    os.kill(pid, signal.SIGKILL)
    wait = minidock("wait", donor)
    assert wait.returncode == 0
    assert "/shm " not in Path("/proc/self/mountinfo").read_text().replace("/dev/shm ", "")
    for flag, why in (("--pid", ""), ("--ipc", "can't join IPC of container {}: ")):
        result = run(flag, f"container:{donor}", "alpine", "true")
        container = json.loads(minidock("inspect", donor).stdout)[0]["Id"]
        assert (result.code, result.err) == (
            125, f"minidock: {why.format(container)}container {container} is not running\n"
        )  # fmt: skip


def test_who_shares_nothing_is_not_joined(run: Run, minidock: Minidock) -> None:
    minidock("run", "-d", "--name", "alone", "--network", "none", "alpine", "sleep", "1000")
    result = run("--ipc", "container:alone", "alpine", "true")
    minidock("rm", "-f", "alone")
    assert result.code == 125
    assert "non-shareable IPC (hint: use IpcMode:shareable for the donor container)" in result.err


INSIDE = {
    "--shm-size 1m": ("grep -o '/dev/shm .*size=[0-9]*k' /proc/mounts",
                      "/dev/shm tmpfs rw,nosuid,nodev,noexec,relatime,size=1024k"),
    "--ipc none": ("grep -c /dev/shm /proc/mounts || true", "0"),
    "--group-add audio --group-add 5000 -u 1000": ("id -G", "0 18 5000"),
    "--security-opt no-new-privileges": ("grep NoNewPrivs /proc/self/status", "NoNewPrivs:\t1"),
    "--security-opt no-new-privileges:false": ("grep NoNewPrivs /proc/self/status", "NoNewPrivs:\t0"),
    "--security-opt seccomp=unconfined": ("grep Seccomp: /proc/self/status", "Seccomp:\t0"),
    "--security-opt seccomp=builtin": ("grep Seccomp: /proc/self/status", "Seccomp:\t2"),
    "--security-opt seccomp={tmp}/profile.json": ("chmod 7 /tmp 2>&1 || true", "chmod: /tmp: Operation not permitted"),
    "--security-opt systempaths=unconfined": ("grep -c '^proc /proc/' /proc/mounts || true", "0"),
    "--security-opt label=disable --security-opt apparmor=unconfined": ("echo ignored", "ignored"),
    "--oom-score-adj 500": ("cat /proc/self/oom_score_adj", "500"),
    "--domainname a.b": ("cat /proc/sys/kernel/domainname", "a.b"),
    "--device /dev/fuse": ("stat -c '%t:%T %F' /dev/fuse", "a:e5 character special file"),
    "--device /dev/fuse:/dev/other/x:r": ("ls /dev/other; dd if=/dev/other/x of=/dev/null count=0; "
                                          "sh -c '>/dev/other/x' 2>&1 || true",
                                          "x\nsh: can't create /dev/other/x: Operation not permitted"),
    "--device-cgroup-rule c\\x2010:229\\x20rwm": ("mknod /dev/f c 10 229; dd if=/dev/f of=/dev/null count=0", ""),
}  # fmt: skip

PROFILE = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
    {"names": ["chmod", "fchmodat", "fchmodat2"], "action": "SCMP_ACT_ERRNO"}]}  # fmt: skip


@pytest.mark.parametrize("words", INSIDE)
def test_seen_inside(run: Run, tmp_path: Path, words: str) -> None:
    script, expected = INSIDE[words]
    (tmp_path / "profile.json").write_text(json.dumps(PROFILE))
    options = [word.replace("\\x20", " ").format(tmp=tmp_path) for word in words.split()]
    result = run(*options, "alpine", "sh", "-ec", script)
    assert (result.code, result.out.rstrip("\n")) == (0, expected), result.err


REFUSED = {
    "--pid foo": "--pid: invalid PID mode",
    "--pid container:": "--pid: invalid PID mode",
    "--pid container:nobody": "No such container: nobody",
    "--ipc foo": "invalid IPC mode: foo",
    "--uts foo": "--uts: invalid UTS mode",
    "--uts host -h x": "conflicting options: hostname and the UTS mode",
    "--userns foo": "--userns: invalid USER mode",
    "--cgroupns foo": "--cgroupns: invalid CGROUP mode",
    "--device /nope": 'error gathering device information while adding custom device "/nope": '
                      "no such file or directory",
    "--device /etc/passwd": 'error gathering device information while adding custom device "/etc/passwd": '
                            "not a device node",
    "--device rel": "rel is not an absolute path",
    "--device /dev/null:rel": "rel is not an absolute path",
    "--device /dev/null:/dev/x:rwmx": "bad mode specified: rwmx",
    "--device /dev/null:/a:/b:rw": "bad format for path: /dev/null:/a:/b:rw",
    "--device-cgroup-rule foo": 'invalid argument "foo" for "--device-cgroup-rule" flag: '
                                "invalid device cgroup format 'foo'",
    "--group-add nope": "unable to find group nope: no matching entries in group file",
    "--security-opt foo": 'Invalid --security-opt: "foo"',
    "--security-opt foo=bar": 'invalid --security-opt 2: "foo=bar"',
    "--security-opt no-new-privileges=x": 'invalid --security-opt 2: "no-new-privileges=x"',
    "--security-opt systempaths=x": 'invalid --security-opt 2: "systempaths=x"',
    "--security-opt seccomp=/nope": "opening seccomp profile (/nope) failed: open /nope: no such file or directory",
    "--oom-score-adj 2000": "Invalid value 2000, range for oom score adj is [-1000, 1000]",
    "--memory-swappiness 101": "invalid value: 101. Valid memory swappiness range is 0-100",
    "--cpus 1 --cpu-quota 20000": "Conflicting options: Nano CPUs and CPU Quota cannot both be set",
    "--cpus 1 --cpu-period 20000": "Conflicting options: Nano CPUs and CPU Period cannot both be set",
    "--cpu-period 10": "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
    "--cpu-quota 10": "CPU cfs quota can not be less than 1ms (i.e. 1000)",
    "--isolation foo": "Invalid isolation: \"foo\" - linux only supports 'default'",
    "--runtime nope": "unknown or invalid runtime name: nope: there is minidock, or the path of another one",
    "--disable-content-trust=false": "content trust is not supported: no signature of an image would be checked "
                                     "or made",
    "--cpu-rt-period 1000000": "kernel does not support CPU real-time scheduler",
    "--cpu-rt-runtime 950000": "kernel does not support CPU real-time scheduler",
    "--gpus all": "failed to inject CDI devices: unresolvable CDI devices nvidia.com/gpu=all",
    "--gpus some": 'invalid argument "some" for "--gpus" flag: it is all, a number, or device=0,1',
    "--device vendor.com/net=none": "failed to inject CDI devices: unresolvable CDI devices vendor.com/net=none",
    "--security-opt mask=proc": 'invalid --security-opt: "mask=proc": it takes absolute paths with colons between them',
    "--security-opt writable-cgroups=x": 'invalid --security-opt 2: "writable-cgroups=x"',
    "--storage-opt size=1g": "--storage-opt is supported only for overlay over xfs with 'pquota' mount option",
    "--blkio-weight-device foo": 'invalid argument "foo" for "--blkio-weight-device" flag: bad format: foo',
    "--blkio-weight-device /dev/null:1": 'invalid argument "/dev/null:1" for "--blkio-weight-device" flag: '
                                         "invalid weight for device: /dev/null:1",
    "--label-file /nope": "open /nope: no such file or directory",
}  # fmt: skip


@pytest.mark.parametrize("words", REFUSED)
def test_refused_in_docker_s_words(run: Run, words: str) -> None:
    result = run(*words.split(), "alpine", "true")
    assert (result.code, result.out, result.err) == (125, "", f"minidock: {REFUSED[words]}\n")


@pytest.mark.parametrize("command", ["pull", "push"])
def test_signatures_are_not_pretended(minidock: Minidock, command: str) -> None:
    done = minidock(command, "--disable-content-trust=false", "reg.invalid/app")
    why = "content trust is not supported: no signature of an image would be checked or made"
    assert (done.returncode, done.stdout, done.stderr.decode()) == (1, b"", f"minidock: {why}\n")


def test_what_cgroup_v2_lacks_is_said_and_ignored(run: Run) -> None:
    nothing = ("--cpu-rt-period", "0", "--cpu-rt-runtime", "0", "--disable-content-trust", "--runtime", "minidock")
    result = run("--oom-kill-disable", "--memory-swappiness", "5", *nothing, "alpine", "true")
    assert result.code == 0
    assert result.err == (
        "WARNING: Your kernel does not support OomKillDisable. OomKillDisable discarded.\n"
        "WARNING: Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. "
        "Memory swappiness discarded.\n"
    )


def test_inspect_and_the_bundle_show_it(run: Run, minidock: Minidock, tmp_path: Path) -> None:
    (tmp_path / "labels").write_text("# not this\na=1\nb=file\n")
    words = ["--pid", "host", "--uts", "host", "--shm-size", "1m", "--group-add", "audio", "--device", "/dev/fuse",
             "--annotation", "who=me", "--label-file", f"{tmp_path}/labels", "--label", "b=flag"]  # fmt: skip
    made = minidock("run", "--name", "shown", "--network", "none", *words, "alpine", "true")
    (shown,) = json.loads(minidock("inspect", "shown").stdout)
    host = shown["HostConfig"]
    config = json.loads(Path(shown["OCIConfigPath"]).read_text())
    minidock("rm", "shown")
    assert (made.returncode, made.stderr) == (0, b"")
    assert (host["PidMode"], host["UTSMode"], host["IpcMode"], host["ShmSize"]) == ("host", "host", "private", 1 << 20)
    assert host["GroupAdd"] == ["audio"]
    assert host["Devices"] == [
        {"PathOnHost": "/dev/fuse", "PathInContainer": "/dev/fuse", "CgroupPermissions": "rwm"}
    ]  # fmt: skip
    assert shown["Config"]["Labels"] == {"a": "1", "b": "flag"}
    assert config["annotations"] == {"who": "me"}
