"""The runtime by itself: hand-made OCI bundles with what the engine never asks for."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.engine.containers import eventually

ROOT = Path(__file__).parents[2]
APPLETS = ["cat", "echo", "grep", "hostname", "id", "readlink", "sh", "stat", "touch", "true", "unshare"]
ALL = ["mount", "pid", "network", "uts", "ipc", "cgroup"]

Spec = dict[str, Any]
OciRun = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A directory with a root file system of a static busybox. Every directory above it can be entered by all."""
    for directory in (tmp_path, *tmp_path.parents):
        if not directory.stat().st_mode & stat.S_IXOTH:
            directory.chmod(0o755)
    binaries = tmp_path / "bundle/rootfs/bin"
    binaries.mkdir(parents=True)
    (binaries / "busybox").write_bytes(Path("/bin/busybox").read_bytes())
    (binaries / "busybox").chmod(0o755)
    for applet in APPLETS:
        (binaries / applet).symlink_to("busybox")
    return tmp_path / "bundle"


@pytest.fixture
def oci_run(bundle: Path) -> OciRun:
    """Runs a shell script in the bundle; `change` is called with the specification before."""

    def run(
        script: str,
        change: Callable[[Spec], object] = id,
        namespaces: list[str] | None = None,
        *words: str,
        prefix: Sequence[str] = (),
    ) -> Any:
        config: Spec = {
            "ociVersion": "1.0.2",
            "root": {"path": "rootfs"},
            "hostname": "bundle",
            "process": {"args": ["sh", "-c", script], "cwd": "/", "env": ["PATH=/bin"]},
            "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc"},
                {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
                {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["newinstance"]},
                {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro"]},
            ],
            "linux": {"namespaces": [{"type": kind} for kind in namespaces or ALL], "cgroupsPath": "/minidock/oci-run"},
        }
        change(config)
        (bundle / "config.json").write_text(json.dumps(config))
        runner = [str(Path(__file__).with_name("oci_run.py"))] if words else ["-m", "minidock.runtime"]
        program = [*prefix, sys.executable, "-P", *runner, str(bundle), *words]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.run(program, capture_output=True, text=True, timeout=60, check=False, env=environment)

    return run


def test_a_plain_bundle(oci_run: OciRun, bundle: Path) -> None:
    done = oci_run("id -u; hostname; echo made >/made; exit 5")
    assert (done.returncode, done.stdout, done.stderr) == (5, "0\nbundle\n", "")
    assert (bundle / "rootfs/made").read_text() == "made\n"


def test_one_that_is_killed_before_it_is_started(oci_run: OciRun) -> None:
    done = oci_run("echo never", id, None, "9")
    assert (done.returncode, done.stdout, done.stderr) == (137, "", "")


@pytest.mark.parametrize("mapped", [100_000, 0])
def test_a_user_namespace(oci_run: OciRun, bundle: Path, mapped: int) -> None:
    """Root inside is an ordinary user outside, and everything that is made inside belongs to that one."""
    for directory, _, files in os.walk(bundle / "rootfs"):
        for path in (directory, *(os.path.join(directory, name) for name in files)):
            os.chown(path, mapped, mapped, follow_symlinks=False)

    def change(config: Spec) -> None:
        rows = [{"containerID": 0, "hostID": mapped, "size": 65536}]
        config["linux"] |= {"uidMappings": rows, "gidMappings": rows}

    script = (
        "id -u; cat /proc/self/uid_map; readlink /proc/1/ns/user; touch /made; stat -c %u:%g /made /dev/null; "
        "echo x >/dev/null && hostname inside && hostname; cat /proc/self/setgroups"
    )
    done = oci_run(script, change, [*ALL, "user"])
    assert (done.returncode, done.stderr) == (0, "")
    uid, uid_map, namespace, *rest = done.stdout.splitlines()
    assert uid == "0"
    assert uid_map.split() == ["0", str(mapped), "65536"]
    assert namespace != os.readlink("/proc/self/ns/user")
    # /dev/null is the host's, bound: its owner is the host's root, who is nobody inside unless he is mapped.
    assert rest == ["0:0", "0:0" if mapped == 0 else "65534:65534", "inside", "allow"]
    assert (bundle / "rootfs/made").stat().st_uid == mapped


def test_a_time_namespace(oci_run: OciRun) -> None:
    """Its monotonic clock is a day ahead, its boot clock two. In the program itself, not only in its children."""

    def change(config: Spec) -> None:
        config["linux"]["timeOffsets"] = {"monotonic": {"secs": 86_400}, "boottime": {"secs": 2 * 86_400}}

    done = oci_run("readlink /proc/1/ns/time; cat /proc/1/timens_offsets /proc/uptime", change, [*ALL, "time"])
    namespace, monotonic, boottime, uptime = done.stdout.splitlines()
    assert namespace != os.readlink("/proc/self/ns/time")
    assert monotonic.split() == ["monotonic", "86400", "0"]
    assert boottime.split() == ["boottime", "172800", "0"]
    assert 0 <= float(uptime.split()[0]) - 2 * 86_400 <= time.clock_gettime(time.CLOCK_BOOTTIME)


def test_a_new_time_namespace_without_offsets(oci_run: OciRun) -> None:
    done = oci_run("readlink /proc/1/ns/time", namespaces=[*ALL, "time"])
    assert done.stdout.strip() not in ("", os.readlink("/proc/self/ns/time"))


@pytest.mark.parametrize("kind", ["network", "uts", "ipc", "pid"])
def test_joining_a_namespace(oci_run: OciRun, kind: str) -> None:
    name = {"network": "net"}.get(kind, kind)
    with holding(name, *["--mount-proc"] * (kind == "pid")) as path:
        done = oci_run(f"readlink /proc/self/ns/{name}", lambda config: join(config, kind, path))
        assert (done.stderr, done.stdout.strip()) == ("", os.readlink(path))


def test_processes_that_nothing_shows_are_not_joined(oci_run: OciRun) -> None:
    """Who mounts a /proc for them would have to be among them before it has given up its power."""
    with holding("pid") as path:
        done = oci_run("echo never", lambda config: join(config, "pid", path))
    assert (done.returncode, done.stdout) == (125, "")
    assert "has a /proc that shows its process namespace" in done.stderr
    with holding("pid") as path, open(path, "rb") as left:
        kept = f"/proc/{os.getpid()}/fd/{left.fileno()}"
        holder = Path(path).parents[1]
        (child,) = (holder / "task" / holder.name / "children").read_text().split()
        os.kill(int(holder.name), signal.SIGKILL)
        eventually(lambda: not os.path.exists(f"/proc/{child}/ns/pid"))
        done = oci_run("echo never", lambda config: join(config, "pid", kept))
    assert (done.returncode, done.stdout) == (125, "")
    assert "the processes that were to be joined have ended" in done.stderr


def join(config: Spec, kind: str, path: str) -> None:
    next(row for row in config["linux"]["namespaces"] if row["type"] == kind)["path"] = path


@contextmanager
def holding(name: str, *options: str) -> Iterator[str]:
    """The path of a namespace with a process in it."""
    fork = ["--fork", "--kill-child"] if name == "pid" else []
    command = ["unshare", f"--{name}", *fork, *options, "sh", "-c", "echo; exec sleep 60"]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        assert holder.stdout
        assert holder.stdout.readline() == b"\n"
        yield f"/proc/{holder.pid}/ns/{'pid_for_children' if name == 'pid' else name}"
    finally:
        holder.kill()  # its child goes with it; unshare itself ignores SIGTERM
        holder.communicate()


def test_no_new_privileges_and_a_filter(oci_run: OciRun) -> None:
    def change(config: Spec) -> None:
        config["process"] |= {"noNewPrivileges": True, "user": {"uid": 1000, "gid": 1000, "umask": 0o077}}
        config["linux"]["seccomp"] = {
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{"names": ["unshare"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}],
        }

    done = oci_run('grep -E "^(NoNewPrivs|Seccomp|Umask|Uid):" /proc/self/status; unshare -U true', change)
    assert done.stdout.split() == ["Umask:", "0077", "Uid:", *["1000"] * 4, "NoNewPrivs:", "1", "Seccomp:", "2"]
    assert "Function not implemented" in done.stderr


def test_ambient_capabilities_that_are_not_inheritable_are_left_out(oci_run: OciRun) -> None:
    """As runc does: a bundle that `runc spec` has made lists some."""

    def change(config: Spec) -> None:
        sets = {name: ["CAP_KILL"] for name in ("bounding", "effective", "permitted", "ambient")}
        config["process"] |= {"capabilities": sets}

    done = oci_run("grep -E 'CapEff|CapAmb' /proc/self/status", change)
    assert (done.returncode, done.stdout.split()[1::2]) == (0, [f"{1 << 5:016x}", f"{0:016x}"])


def test_ambient_capabilities_of_another_user(oci_run: OciRun) -> None:
    def change(config: Spec) -> None:
        sets = {name: ["CAP_KILL"] for name in ("bounding", "effective", "permitted", "inheritable", "ambient")}
        config["process"] |= {"user": {"uid": 1000, "gid": 1000}, "capabilities": sets}

    done = oci_run("grep Cap /proc/self/status", change)
    assert [int(word, 16) for word in done.stdout.split()[1::2]] == [1 << 5] * 5


def test_many_layers(oci_run: OciRun, bundle: Path) -> None:
    """More than mount's one page of options has room for: paths of 300 layers are some 30 kB."""
    layers = []
    for number in range(300):
        layer = bundle / f"a-long-name-for-a-layer-as-those-of-sha256-are/{number:064}"
        layer.mkdir(parents=True)
        (layer / f"file{number}").write_text(f"{number}\n")
        (layer / "top").write_text(f"{number}\n")
        layers.append(str(layer))
    for name in ("upper", "work", "merged"):
        (bundle / name).mkdir()

    def change(config: Spec) -> None:
        lower = ":".join([*reversed(layers), f"{bundle}/rootfs"])
        options = [f"lowerdir={lower}", f"upperdir={bundle}/upper", f"workdir={bundle}/work"]
        config["root"]["path"] = "merged"
        config["mounts"].insert(0, {"destination": "/", "type": "overlay", "source": "overlay", "options": options})

    done = oci_run("cat /top /file0 /file150; echo new >/top", change)
    assert (done.stdout, done.stderr) == ("299\n0\n150\n", "")
    assert (bundle / "upper/top").read_text() == "new\n"


@pytest.mark.parametrize(("kind", "field"), [("private", ""), ("slave", ""), ("shared", "shared:"),
                                             ("rshared", "shared:")])  # fmt: skip
def test_propagation_of_the_root(oci_run: OciRun, kind: str, field: str) -> None:
    """The root's own mount, as config-linux.md has "Rootfs Mount Propagation"; nothing of it is the host's."""
    before = Path("/proc/self/mountinfo").read_text()
    done = oci_run("grep ' / / ' /proc/self/mountinfo || cat /proc/self/mountinfo",
                   lambda config: config["linux"].update(rootfsPropagation=kind))  # fmt: skip
    root = next(line for line in done.stdout.splitlines() if line.split()[4] == "/")
    optional = " ".join(root.partition(" - ")[0].split()[6:])
    assert optional.startswith(field) if field else optional == ""
    assert Path("/proc/self/mountinfo").read_text() == before


def test_recursive_options(oci_run: OciRun, bundle: Path, tmp_path: Path) -> None:
    """rro, rnosuid, rnodev and rnoexec count for what is mounted below, too (config.md, "Linux mount options")."""
    source = tmp_path / "source"
    (source / "below").mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "below", source / "below"], check=True)
    options = ["rbind", "rro", "rnosuid", "rnodev", "rnoexec"]
    mount = {"destination": "/mnt", "type": "bind", "source": str(source), "options": options}
    try:
        done = oci_run("grep ' /mnt' /proc/self/mountinfo", lambda config: config["mounts"].append(mount))
    finally:
        subprocess.run(["umount", source / "below"], check=True)
    found = {line.split()[4]: set(line.split()[5].split(",")) for line in done.stdout.splitlines()}
    assert sorted(found) == ["/mnt", "/mnt/below"]
    assert all({"ro", "nosuid", "nodev", "noexec"} <= words for words in found.values())


def test_devices_of_the_bundle(oci_run: OciRun, bundle: Path) -> None:
    def change(config: Spec) -> None:
        config["linux"]["devices"] = [
            {"path": "/dev/null", "type": "c", "major": 1, "minor": 3, "fileMode": 0o600, "uid": 7, "gid": 8},
            {"path": "/dev/net/tun", "type": "c", "major": 10, "minor": 200},
            {"path": "/dev/pipe", "type": "p"},
        ]

    done = oci_run("stat -c '%n %F %t:%T %a %u:%g' /dev/null /dev/net/tun /dev/pipe", change)
    assert done.stdout.splitlines() == [
        "/dev/null character special file 1:3 600 7:8",
        "/dev/net/tun character special file a:c8 666 0:0",
        "/dev/pipe fifo 0:0 666 0:0",
    ]


ZERO, KMSG = (1, 5), (1, 11)


@pytest.fixture
def nodes(bundle: Path) -> None:
    """Device nodes in the root file system, for everybody: one that every container may use, and one of the host's."""
    for name, numbers in (("zero", ZERO), ("kmsg", KMSG)):
        os.mknod(bundle / "rootfs" / name, 0o20666, os.makedev(*numbers))
        (bundle / "rootfs" / name).chmod(0o666)


OPEN = "true </zero && echo zero; true </kmsg && echo kmsg; true >/dev/null && echo null"


@pytest.mark.usefixtures("nodes")
@pytest.mark.parametrize("user", [False, True])
def test_a_bundle_without_rules_for_devices(oci_run: OciRun, user: bool) -> None:
    """What runc does with one: what is not among the default devices is denied."""
    rows = [{"containerID": 0, "hostID": 0, "size": 65536}]
    done = oci_run(OPEN, lambda c: c["linux"].update({"uidMappings": rows, "gidMappings": rows} if user else {}),
                   [*ALL, *["user"] * user])  # fmt: skip
    assert done.stdout.split() == ["zero", "null"]
    assert "/kmsg: Operation not permitted" in done.stderr


@pytest.mark.usefixtures("nodes")
def test_a_bundle_that_is_allowed_all_devices(oci_run: OciRun) -> None:
    rules = [{"allow": False, "access": "rwm"}, {"allow": True, "access": "rwm"}]
    done = oci_run(OPEN, lambda c: c["linux"].update(resources={"devices": rules}))
    assert done.stdout.split() == ["zero", "kmsg", "null"]


@pytest.mark.usefixtures("nodes")
@pytest.mark.parametrize("user", [False, True])
def test_a_bundle_without_a_cgroup(oci_run: OciRun, user: bool) -> None:
    """Nothing is there that a filter could be attached to: no node outside of /dev works, none can be made in it."""

    def change(config: Spec) -> None:
        del config["linux"]["cgroupsPath"]
        rows = [{"containerID": 0, "hostID": 0, "size": 65536}]
        config["linux"] |= {"uidMappings": rows, "gidMappings": rows} if user else {}

    def weaker(config: Spec) -> None:
        change(config)
        config["process"]["capabilities"] = {"bounding": ["CAP_KILL"]}

    kinds = [*ALL, *["user"] * user]
    refused = oci_run("echo never", change, kinds)
    assert (refused.returncode, refused.stdout) == (125, "")
    assert "CAP_SYS_ADMIN cannot be given to a process: no device filter" in refused.stderr
    done = oci_run(OPEN, weaker, kinds)
    assert (done.stdout, done.stderr.count("Permission denied")) == ("null\n", 2)


def test_nothing_is_masked_with_what_is_no_null_device(oci_run: OciRun, tmp_path: Path) -> None:
    """In a user namespace none can be made, so the host's is taken, if that is what it should be."""
    rows = [{"containerID": 0, "hostID": 0, "size": 65536}]

    def change(config: Spec) -> None:
        config["linux"] |= {"uidMappings": rows, "gidMappings": rows, "maskedPaths": ["/proc/version", "/proc/nosuch"]}

    assert oci_run("cat /proc/version", change, [*ALL, "user"]).stdout == ""
    host = tmp_path / "host"
    host.write_text("of the host")
    prefix = ["unshare", "--mount", "sh", "-c", f'mount --bind {host} /dev/null && exec "$@" </dev/zero', "sh"]
    done = oci_run("cat /proc/version", change, [*ALL, "user"], prefix=prefix)
    assert (done.returncode, done.stdout) == (125, "")
    assert "/dev/null of the host is not the null device" in done.stderr


REFUSED: dict[str, tuple[Callable[[Spec], object], str]] = {
    "a hook that is missing": (
        lambda c: c.update(hooks={"prestart": [{"path": "/x"}]}), "prestart hook #0 (/x): no such file or directory",
    ),
    "apparmor": (lambda c: c["process"].update(apparmorProfile="x"), "AppArmor is not enabled"),
    "bad propagation": (lambda c: c["linux"].update(rootfsPropagation="sideways"), "no propagation type"),
    "version": (lambda c: c.update(ociVersion="2.0"), "ociVersion '2.0' is not supported"),
    "no program": (lambda c: c["process"].update(args=[]), "process.args is missing"),
    "no root": (lambda c: c.update(root={}), "root.path is missing"),
    "relative directory": (lambda c: c["process"].update(cwd="x"), "needs to be an absolute path"),
    "a variable without a value": (lambda c: c["process"].update(env=["A"]), "not NAME=value"),
    "unknown limit": (
        lambda c: c["process"].update(rlimits=[{"type": "RLIMIT_X", "soft": 1, "hard": 1}]), "'RLIMIT_X'",
    ),
    "unknown capability": (lambda c: c["process"].update(capabilities={"bounding": ["CAP_X"]}), "'CAP_X'"),
    "unknown namespace": (lambda c: c["linux"].update(namespaces=[{"type": "x"}]), "namespace type 'x'"),
    "the host's mounts": (lambda c: c["linux"].update(namespaces=[{"type": "pid"}]), "would change the host's mounts"),
    "another's processes, and users of its own": (
        lambda c: c["linux"].update(namespaces=[{"type": "mount"}, {"type": "user"}, {"type": "pid", "path": "/x"}]),
        "users of its own have no right to another container's process namespace",
    ),
    "a mount of no type": (lambda c: c["mounts"].append({"destination": "/x", "type": "y"}), "No such device"),
    "unknown seccomp action": (
        lambda c: c["linux"].update(seccomp={"defaultAction": "SCMP_ACT_X"}), "unknown seccomp action 'SCMP_ACT_X'",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("change", "why"), REFUSED.values(), ids=REFUSED)
def test_refused(oci_run: OciRun, change: Callable[[Spec], object], why: str) -> None:
    done = oci_run("true", change)
    assert done.returncode != 0
    assert why in done.stderr
    assert done.stderr.count("\n") == 1


def test_not_a_bundle(tmp_path: Path) -> None:
    program = [sys.executable, "-P", "-m", "minidock.runtime", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(program, capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stderr) == (1, f"no OCI bundle in {tmp_path}: config.json is missing\n")


def test_wrong_arguments() -> None:
    program = [sys.executable, "-P", "-m", "minidock.runtime"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for words in ([], ["--help"], ["a", "b"]):
        done = subprocess.run([*program, *words], capture_output=True, text=True, check=False, env=environment)
        assert done.returncode == 1
        assert done.stderr.startswith("usage: python -m minidock.runtime BUNDLE")


def test_a_terminal(bundle: Path, oci_run: OciRun) -> None:
    """The program has one of its own, and what it writes comes out here, line endings as a terminal has them."""
    done = oci_run("test -t 0 && test -t 1 && echo yes; exit 7", lambda config: config["process"].update(terminal=True))
    assert (done.returncode, done.stdout, done.stderr) == (7, "yes\n", "")


def test_signals_are_passed_on(bundle: Path, oci_run: OciRun) -> None:
    assert oci_run("true").returncode == 0  # writes a config.json
    config = json.loads((bundle / "config.json").read_text())
    config["process"]["args"] = ["sh", "-c", "trap 'exit 9' TERM; echo ready; while :; do read -t 1 x; done"]
    (bundle / "config.json").write_text(json.dumps(config))
    program = [sys.executable, "-P", "-m", "minidock.runtime", str(bundle)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as runner:
        assert runner.stdout
        assert runner.stdout.readline() == b"ready\n"
        runner.terminate()
        assert runner.wait(30) == 9
