"""`minidock xray`: every fact is compared with the kernel's own view of the same container."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.engine.containers import cgroup2, eventually
from tests.explain.looking import Container, Xray, load_layers, namespace, running, xray_of
from tests.image.tars import archive, entry
from tests.support.command import Minidock

# <linux/capability.h>
CAP_NET_RAW, CAP_SYS_NICE = 13, 23


def status(pid: int) -> dict[str, str]:
    rows = (line.partition(":") for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {name: value.strip() for name, _, value in rows}


def test_namespaces_are_those_of_proc(web: Container, xray: Xray) -> None:
    names = {"mount": "mnt", "network": "net"}
    rows = xray["running"]["namespaces"]
    assert {row["kind"] for row in rows} >= {"mount", "pid", "network", "uts", "ipc", "cgroup", "user"}
    for row in rows:
        name = names.get(row["kind"], row["kind"])
        assert (row["inode"], row["host_inode"]) == (namespace(web.pid, name), namespace("self", name))
        assert row["is_own"] == (row["kind"] not in ("user", "time"))


def test_processes_have_two_numbers(web: Container, xray: Xray) -> None:
    rows = xray["running"]["processes"]
    assert [row["command"] for row in rows] == [["sleep", "1000"], ["nc", "-lk", "-p", "80"]]
    assert (rows[0]["pid"], rows[0]["inside"]) == (web.pid, 1)
    for row in rows:
        seen = status(row["pid"])
        assert [str(row["pid"]), str(row["inside"])] == seen["NSpid"].split()
        assert (str(row["parent"]), str(row["uid"])) == (seen["PPid"], seen["Uid"].split()[1])
    assert rows[1]["parent"] == web.pid
    assert xray["running"]["hostname"] == "webhost"
    assert (xray["running"]["executable"], xray["running"]["cwd"]) == ("/bin/busybox", "/tmp")


def test_who_came_in_from_outside_is_told_apart(web: Container) -> None:
    """nsenter(1) moves into the namespaces and not into the cgroup."""
    visitor = subprocess.Popen(["nsenter", "-t", str(web.pid), "-p", "sleep", "100"])
    try:
        (child,) = eventually(lambda: Path(f"/proc/{visitor.pid}/task/{visitor.pid}/children").read_text().split())
        rows = {row["pid"]: row for row in web.xray()["running"]["processes"]}
        assert {pid: row["is_member"] for pid, row in rows.items() if str(pid) == child} == {int(child): False}
        assert rows[web.pid]["is_member"]
        subprocess.run(["kill", child], check=True)
    finally:
        visitor.kill()
        visitor.wait()


def test_the_cgroup_is_the_kernels(web: Container, xray: Xray) -> None:
    group = xray["running"]["cgroup"]
    directory = Path(group["mount"] + group["path"])
    assert Path(f"/proc/{web.pid}/cgroup").read_text().splitlines()[-1] == f"0::{group['path']}"
    assert directory.is_relative_to(cgroup2())
    pids = {str(process["pid"]) for process in xray["running"]["processes"]}
    assert set((directory / "cgroup.procs").read_text().split()) == pids
    offered = (directory / "cgroup.controllers").read_text().split()
    assert (sorted(offered), group["processes"]) == (group["controllers"], 2)
    assert set(group["missing"]) == {"cpu", "cpuset", "io", "memory", "pids"} - set(offered)
    for controller in ("memory", "pids", "io"):
        assert (group[controller] is not None) == (controller in offered)


def test_capabilities_are_the_bits_of_proc(web: Container, xray: Xray) -> None:
    seen, found = status(web.pid), xray["running"]["security"]
    sets = {"CapBnd": "bounding", "CapEff": "effective", "CapPrm": "permitted", "CapAmb": "ambient"}
    for field, name in sets.items():
        assert int(seen[field], 16).bit_count() == len(found[name])
    bounding = int(seen["CapBnd"], 16)
    assert (bounding >> CAP_NET_RAW & 1, bounding >> CAP_SYS_NICE & 1) == (0, 1)
    assert (found["lacking"], found["extra"]) == (["CAP_NET_RAW"], ["CAP_SYS_NICE"])
    assert found["seccomp"] == {"0": "disabled", "1": "strict", "2": "filter"}[seen["Seccomp"]] == "filter"
    assert str(found["filters"]) == seen.get("Seccomp_filters")
    assert found["no_new_privileges"] == (seen["NoNewPrivs"] == "1")


def test_a_privileged_container_has_everything(engine: Minidock) -> None:
    with running(engine, "mighty", "--privileged", "--network", "none", "alpine", "sleep", "1000") as container:
        found = container.xray()["running"]
        assert found["security"]["seccomp"] == "disabled"
        assert len(found["security"]["bounding"]) == int(status(os.getpid())["CapBnd"], 16).bit_count()
        assert not [mount for mount in found["mounts"] if mount["role"] == "masked"]


def test_mounts_are_those_of_mountinfo(web: Container, xray: Xray) -> None:
    lines = [line.split() for line in Path(f"/proc/{web.pid}/mountinfo").read_text().splitlines()]
    rows = xray["running"]["mounts"]
    assert [row["path"] for row in rows] == [line[4] for line in lines]
    roles = {row["path"]: row["role"] for row in rows}
    assert (roles["/"], roles["/proc"], roles["/etc/hosts"], roles["/dev/shm"]) == ("root", "kernel", "bind", "memory")
    masked = [row["path"] for row in rows if row["role"] == "masked"]
    assert masked
    assert web.shell(f"for i in {' '.join(masked)}; do if [ -d $i ]; then ls -A $i; else cat $i; fi; done") == ""
    protected = [row["path"] for row in rows if row["role"] == "protected"]
    assert "/proc/sys" in protected
    hosts = next(row["host_path"] for row in rows if row["path"] == "/etc/hosts")
    assert os.path.samefile(hosts, f"/proc/{web.pid}/root/etc/hosts")


def test_the_writable_top(web: Container, xray: Xray) -> None:
    root = xray["root"]
    top = root["top"]
    assert {change["path"] for change in top["added"]} >= {"/srv/note"}
    assert {change["path"]: change["how"] for change in top["changed"]} == {
        "/etc/issue": "content", "/etc/group": "attributes",
    }  # fmt: skip
    hidden = {change["path"]: change for change in top["hidden"]}
    assert hidden.keys() == {"/etc/motd", "/etc/apk/keys"}
    assert all(os.lstat(root["upper"] + path).st_rdev == 0 for path in hidden)  # whiteouts: devices 0/0
    lower = Path(root["layers"][0]["directory"])
    keys = list((lower / "etc/apk/keys").iterdir())
    assert hidden["/etc/apk/keys"]["entries"] == len(keys) + 1
    assert hidden["/etc/motd"]["before"] == (lower / "etc/motd").stat().st_size
    options = next(line for line in Path(f"/proc/{web.pid}/mountinfo").read_text().splitlines() if " / / " in line)
    assert f"upperdir={root['upper']}," in options
    assert f":{lower}," in options  # below the layer of what every container has


def test_limits_are_those_of_the_process(engine: Minidock) -> None:
    words = ["--network", "none", "--ulimit", "nofile=100:200", "--ulimit", "core=-1"]
    with running(engine, "limited", *words, "alpine", "sleep", "1000") as container:
        found = container.xray()["running"]
        limits = {row["name"]: (row["soft"], row["hard"]) for row in found["limits"]}
        assert (limits["open files"], limits["core file size"]) == ((100, 200), (None, None))
        assert found["open_files"] == len(os.listdir(f"/proc/{container.pid}/fd"))


def test_a_read_only_root_and_binds(engine: Minidock, tmp_path: Path) -> None:
    (tmp_path / "with space").mkdir()
    words = ["--network", "none", "--read-only", "-v", f"{tmp_path}/with space:/data:ro", "--tmpfs", "/scratch"]
    with running(engine, "bound", *words, "alpine", "sleep", "1000") as container:
        found = container.xray()
        mounts = {row["path"]: row for row in found["running"]["mounts"]}
        assert found["root"]["is_read_only"]
        assert os.path.samefile(mounts["/data"]["host_path"], tmp_path / "with space")
        assert (mounts["/data"]["role"], mounts["/data"]["is_read_only"]) == ("bind", True)
        assert (mounts["/scratch"]["role"], mounts["/scratch"]["is_read_only"]) == ("memory", False)


def test_a_paused_one_is_frozen(engine: Minidock) -> None:
    with running(engine, "cold", "--network", "none", "alpine", "sleep", "1000") as container:
        assert engine("pause", "cold").returncode == 0
        found = container.xray()
        group = found["running"]["cgroup"]
        assert (found["status"], group["is_frozen"]) == ("paused", True)
        assert "frozen 1" in Path(f"{group['mount']}{group['path']}/cgroup.events").read_text()
        assert engine("unpause", "cold").returncode == 0
        assert not container.xray()["running"]["cgroup"]["is_frozen"]


def test_looks_at_a_container_that_ends_meanwhile_find_it_running_or_ended(engine: Minidock) -> None:
    """A process that dies loses its namespaces, its files and its memory one after the other."""
    for round_ in range(2):
        words = ["-d", "--network", "none", "--name", f"short{round_}", "alpine", "sleep", f"0.{round_}"]
        assert engine("run", *words).returncode == 0
        looks = [xray_of(engine, f"short{round_}") for _ in range(4)]
        assert engine("wait", f"short{round_}").returncode == 0
        looks.append(xray_of(engine, f"short{round_}"))
        assert engine("rm", f"short{round_}").returncode == 0
        for look in looks:
            assert (look["running"] is None) == (look["status"] == "exited")
        assert (looks[-1]["status"], looks[-1]["exit_code"]) == ("exited", 0)


def test_what_remains_of_a_stopped_one(engine: Minidock) -> None:
    done = engine("run", "--name", "over", "--network", "none", "alpine", "sh", "-c", "echo x > /left; exit 3")
    assert done.returncode == 3
    try:
        found = xray_of(engine, "over")
        assert (found["running"], found["exit_code"], found["status"]) == (None, 3, "exited")
        assert "/left" in {change["path"] for change in found["root"]["top"]["added"]}
        text = engine("xray", "over", env={"LC_ALL": "C.UTF-8"}).stdout.decode()
        assert text.startswith("over  exited (3)\n")
        assert "No process is left of it" in text
        assert "+ /left  2B" in text
    finally:
        assert engine("rm", "over").returncode == 0


def test_many_layers_are_found_although_mount_was_given_numbers(engine: Minidock) -> None:
    busybox = Path("/bin/busybox").read_bytes()
    layers = [archive(entry("bin/busybox", content=busybox, mode=0o755))]
    layers += [archive(entry(f"layer{number}", content=b"x" * number)) for number in range(1, 60)]
    load_layers(engine, "tall:1", layers, [f"RUN {number}" for number in range(60)])
    with running(engine, "tall", "--network", "none", "tall:1", "/bin/busybox", "sleep", "1000") as container:
        root = container.xray()["root"]
        assert root["source"] == "record"
        assert [layer["created_by"] for layer in root["layers"]] == [f"RUN {number}" for number in range(60)]
        assert [layer["changes"]["size"] for layer in root["layers"]][1:] == list(range(1, 60))
        assert root["top"]["hidden"] == []


@pytest.mark.parametrize("width", [80, 120])
def test_the_text_fits_and_is_plain(engine: Minidock, web: Container, width: int) -> None:
    web.shell("touch \"$(printf '/srv/a\\033[31mred\\nline')\"")
    done = engine("xray", "web", env={"COLUMNS": str(width), "LC_ALL": "C.UTF-8"})
    text = done.stdout.decode()
    assert (done.returncode, done.stderr) == (0, b"")
    assert "\x1b" not in text
    # Commands to be copied are not broken.
    assert max(len(line) for line in text.splitlines() if not line.startswith("# ")) <= width
    assert all(line == line.rstrip() for line in text.splitlines())
    assert r"+ /srv/a\x1b[31mred\nline" in text
    for words in ("Namespaces", "Processes", "Control group", "Layers", "Network", "Rights", "Mounts"):
        assert f"\n{words} ──" in text
    assert "0.0.0.0:18080 → 80/tcp" in text
    assert "taken away" in text


def test_what_it_says_to_type_shows_the_same(engine: Minidock, web: Container, xray: Xray) -> None:
    text = engine("xray", "web").stdout.decode()
    typed = [line.removeprefix("# ") for line in text.splitlines() if line.startswith("# ")]
    assert len(typed) == 7
    said = ""
    for line in typed:
        done = subprocess.run(["bash", "-c", line], capture_output=True, check=False)
        assert done.stdout, (line, done.stderr)
        assert done.returncode == 0 or "cgroup" in line, (line, done.stderr)  # where no controller is, no *.current is
        said += done.stdout.decode()
    running, top = xray["running"], xray["root"]
    facts = [
        *(f":[{row['inode']}]" for row in running["namespaces"]),
        *(f"\t{row['pid']}\t{row['inside']}" for row in running["processes"]),
        *(running["network"]["cables"][0]["inside"]["addresses"]),
        f"upperdir={top['upper']}",
        f"{top['upper']}/srv/note",
        "usage_usec",
    ]
    assert [fact for fact in facts if fact not in said] == []


def test_any_terminal_and_language_will_do(engine: Minidock, web: Container) -> None:
    done = engine("xray", web.name, env={"PYTHONIOENCODING": "ascii", "LC_ALL": "fr_FR.UTF-8"})
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"Espaces de noms" in done.stdout


def test_what_cannot_be_shown(engine: Minidock) -> None:
    for words, code, message in (
        (["no-such"], 1, "No such container: no-such"),
        (["--json", "--serve", "x"], 1, "--json, --html and --serve exclude each other"),
        (["--port", "80", "x"], 1, "--port is for --serve"),
        (["--html", "/no/such/directory/x", "x"], 1, "No such container: x"),
    ):
        done = engine("xray", *words)
        assert (done.returncode, done.stdout, done.stderr.decode()) == (code, b"", f"minidock: {message}\n")
