"""The explanation beside an outside witness: every call that strace sees, and none that it does not, in its order."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import minidock as minidock_package
from tests.explain import witness
from tests.registry.conftest import make_user
from tests.registry.stub import Stub
from tests.support.command import Minidock

RUNS = {
    "no network": ["--network", "none"],
    "a bridge": [],
    "the host's network": ["--network", "host"],
    "a terminal": ["--network", "none", "-t"],
    "another user": ["--network", "none", "-u", "1000:1000", "-h", "web", "-w", "/made/for/it"],
    "more and less power": ["--network", "none", "--cap-drop", "ALL", "--cap-add", "CHOWN", "--read-only"],
    "mounts": ["--network", "none", "-v", "/usr/share:/mnt/share:ro", "--tmpfs", "/scratch:size=1m"],
    "volumes": ["--network", "none", "-v", "/anonymous", "-v", "/etc/apk"],
    "shared memory": ["--network", "none", "--ipc", "shareable", "--device", "/dev/fuse", "--group-add", "audio"],
    "all power": ["--network", "none", "--privileged"],
    "an init": ["--network", "none", "--init", "--ulimit", "nofile=100:100", "--sysctl", "net.core.somaxconn=99"],
}


def check(accounts: witness.Accounts, what: str, *, code: int = 0) -> None:
    """Both accounts are the same; prints the two counts."""
    explained, witnessed = accounts.counts()
    print(f"{what}: explained {explained} calls, witnessed {witnessed}, of {len(accounts.witnessed)} processes")
    assert accounts.done.returncode == code, accounts.done.stderr
    assert accounts.differences() == []
    assert explained == witnessed > 0


@pytest.mark.parametrize("options", RUNS.values(), ids=RUNS.keys())
def test_run(engine: Minidock, tmp_path: Path, options: list[str]) -> None:
    accounts = witness.observe(engine, tmp_path, "run", "EXPLAIN", "--rm", *options, "alpine", "true")
    check(accounts, f"run {' '.join(options)}")
    made = witness.kinds(accounts.witnessed)
    assert {"clone", "clone3", "mount", "pivot_root", "prctl", "execve"} <= set(made)
    assert ("rtnetlink" in made) == (not options)


@pytest.mark.cgroup
def test_limits(engine_without_network: Minidock, tmp_path: Path) -> None:
    options = ["--network", "none", "-m", "64m", "--cpus", "0.5", "--pids-limit", "50", "--cpu-shares", "512"]
    words = ("run", "EXPLAIN", "--rm", *options, "alpine", "true")
    accounts = witness.observe(engine_without_network, tmp_path, *words)
    check(accounts, f"run {' '.join(options)}")
    written = [call for calls in accounts.witnessed.values() for call in calls if call.startswith("write(")]
    for file, value in (("memory.max", "67108864"), ("cpu.max", "50000 100000"), ("pids.max", "50")):
        assert any(f"/{file}>" in call and f'"{value}"' in call for call in written), written


def test_pull(tmp_path: Path) -> None:
    """Layers are fetched and unpacked by threads; what they do is told as well, and none of it is a process."""
    user = make_user(tmp_path / "user")
    with Stub().running() as registry:
        registry.add_image("app", layers=[{"base": b"base"}, {"app": b"1", ".wh.base": b""}])
        minidock = Minidock(user.root, user.home)
        accounts = witness.observe(minidock, tmp_path, "pull", "EXPLAIN", f"{registry.host}/app", env=user.environment)
    check(accounts, "pull")
    steps = {json.loads(line)["step"] for line in (tmp_path / "explained.json").read_text().splitlines()}
    assert "Unpack a layer" in steps


def test_every_call_is_made_in_a_step(engine: Minidock, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Of all commands that explain: one after the other, so that each has something to do."""
    request.addfinalizer(lambda: engine("rm", "-f", "-v", "steps"))
    request.addfinalizer(lambda: engine("rmi", "of-steps"))
    request.addfinalizer(lambda: engine("network", "rm", "steps-net"))
    told, archive = tmp_path / "told", tmp_path / "archive"
    outside: list[str] = []
    assert engine("save", "-o", str(archive), "alpine").returncode == 0
    for line in LIFE.format(name="steps", tmp=tmp_path, archive=archive).strip().splitlines():
        words = line.split()
        at = 2 if words[0] in ("network", "volume") else 1
        done = engine(*words[:at], f"--explain=json:{told}", *words[at:], input=empty_tar())
        assert done.returncode == 0, (line, done.stderr.decode())
        rows = [json.loads(row) for row in told.read_text().splitlines()]
        outside += [f"{line}: {row['text']}" for row in rows if row["event"] == "call" and not row["step"]]
    assert outside == []


LIFE = """
create --name {name} -v {name}-volume:/data --tmpfs /scratch alpine sleep 1000
cp {tmp}/archive {name}:/root/
cp - {name}:/root
start {name}
exec -e A=1 {name} true
exec -u nobody -w /tmp {name} true
network create {name}-net
network connect {name}-net {name}
network disconnect {name}-net {name}
pause {name}
unpause {name}
cp {name}:/etc/hosts {tmp}/hosts
cp {name}:/etc -
commit {name} of-{name}
restart -t 0 {name}
kill -s HUP {name}
update --restart no {name}
stop -t 0 {name}
cp {name}:/etc/hostname {tmp}/hostname
rm {name}
volume rm {name}-volume
volume create -d local {name}-volume
volume rm {name}-volume
run --rm --network {name}-net -p 18099:80 -t alpine true
run --rm --network host --device /dev/fuse --init alpine true
network rm {name}-net
load -i {archive}
import - of-{name}
"""


def empty_tar() -> bytes:
    """A tar archive with nothing in it."""
    return bytes(10240)


def test_the_life_of_a_container(engine: Minidock, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """One command after the other, each beside the witness."""
    name = "witnessed"

    def tell(*words: str, code: int = 0, also: int = 0) -> witness.Accounts:
        accounts = witness.observe(engine, tmp_path, *words, also=also)
        check(accounts, " ".join(words), code=code)
        return accounts

    request.addfinalizer(lambda: engine("rm", "-f", name))
    tell("create", "EXPLAIN", "--name", name, "alpine", "sleep", "1000")
    tell("start", "EXPLAIN", name)
    assert "setns" in witness.kinds(tell("exec", "EXPLAIN", "-e", "A=1", name, "true").witnessed)
    tell("exec", "EXPLAIN", "-u", "nobody", name, "false", code=1)
    assert "write" in witness.kinds(tell("pause", "EXPLAIN", name).witnessed)
    tell("unpause", "EXPLAIN", name)
    tell("network", "create", "EXPLAIN", "of-life")
    request.addfinalizer(lambda: engine("network", "rm", "of-life"))
    tell("network", "connect", "EXPLAIN", "of-life", name, also=monitor_of(engine, name))
    tell("run", "EXPLAIN", "--rm", "--network", f"container:{name}", "alpine", "true")
    tell("network", "disconnect", "EXPLAIN", "of-life", name)
    tell("cp", "EXPLAIN", str(tmp_path), f"{name}:/root")
    assert "open_tree" in witness.kinds(tell("cp", "EXPLAIN", f"{name}:/etc/hosts", str(tmp_path / "hosts")).witnessed)
    tell("commit", "EXPLAIN", name, "of-witnessed")
    monitor = monitor_of(engine, name)
    again = tell("restart", "EXPLAIN", "-t", "0", name, also=monitor)
    assert {"clone3", "pivot_root", "execve"} <= set(witness.kinds(again.witnessed)), "the monitor's part"
    assert "write" in witness.kinds(tell("stop", "EXPLAIN", "-t", "0", name, also=monitor).explained)
    tell("rm", "EXPLAIN", name)
    tell("run", "EXPLAIN", "-d", "--name", name, "of-witnessed", "sleep", "1000")
    tell("rm", "EXPLAIN", "-f", name, also=monitor_of(engine, name))
    assert engine("rmi", "of-witnessed").returncode == 0


def monitor_of(engine: Minidock, name: str) -> int:
    """The parent of the container's first process."""
    record = json.loads(engine("inspect", name).stdout)[0]
    return int(Path(f"/proc/{record['State']['Pid']}/status").read_text().split("PPid:\t")[1].split()[0])


def test_networks(engine: Minidock, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    request.addfinalizer(lambda: engine("network", "rm", "witnessed"))
    accounts = witness.observe(engine, tmp_path, "network", "create", "EXPLAIN", "witnessed")
    check(accounts, "network create")
    assert witness.kinds(accounts.witnessed)["rtnetlink"] >= 2
    on_it = witness.observe(engine, tmp_path, "run", "EXPLAIN", "--rm", "--network", "witnessed", "alpine", "true")
    check(on_it, "run on a network of one's own")
    check(witness.observe(engine, tmp_path, "network", "rm", "EXPLAIN", "witnessed"), "network rm")


def test_volumes(engine: Minidock, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    request.addfinalizer(lambda: engine("volume", "rm", "-f", "witnessed"))
    options = ["--opt", "type=tmpfs", "--opt", "device=tmpfs"]
    check_claims(witness.observe(engine, tmp_path, "volume", "create", "EXPLAIN", *options, "witnessed"))
    mounted = ["run", "EXPLAIN", "--rm", "-v", "witnessed:/data", "--network", "none", "alpine", "touch", "/data/file"]
    check(witness.observe(engine, tmp_path, *mounted), "run with a volume that is a file system")
    check_claims(witness.observe(engine, tmp_path, "volume", "rm", "EXPLAIN", "witnessed"))


def check_claims(accounts: witness.Accounts) -> None:
    """The same for a command that makes no call of the families that are traced completely, or only the trace
    process's.
    """
    assert accounts.done.returncode == 0, accounts.done.stderr
    assert accounts.differences() == []
    assert accounts.claimed


def test_nothing_goes_past_the_wrappers() -> None:
    """Calls of the families that Python makes for whoever asks are asked for in minidock/linux, where they are told.

    Not so what no command that is traced has: the processes that carry a connection of the Engine API, the plug-in
    Compose, the checks of the course, what a Python program asks of the commands, and the namespaces that a user
    without root enters before anything is traced.
    """
    past = re.compile(
        r"os\.(fork|forkpty|system|popen|spawn\w+|posix_spawn\w*|exec\w+|mknod|mkfifo|unshare|setns|set\w*[ug]ids?|"
        r"setgroups|initgroups)\(|subprocess\.(run|Popen|call|check_\w+)\("
    )
    package = Path(minidock_package.__file__).parent
    told = {"linux/syscalls.py", "linux/programs.py", "explain/trace/trace_process.py", "cli/compose.py"}
    untraced = {"api", "course", "sdk", "rootless"}
    found = [
        f"{file.relative_to(package)}:{number}: {line.strip()}"
        for file in package.rglob("*.py")
        if str(file.relative_to(package)) not in told and not untraced & {*file.relative_to(package).parts}
        for number, line in enumerate(file.read_text().splitlines(), start=1)
        if past.search(line)
    ]
    assert found == []
