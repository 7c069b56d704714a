"""What cannot be run: one line that says why, docker's exit code, and nothing left behind."""

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.cli.conftest import MakeImage, Run
from tests.support.command import Minidock


def containers(minidock: Minidock) -> list[str]:
    """Everything that there is of containers on disk; the directory is made with the first one."""
    return [path.name for path in minidock.root.glob("containers/*") if path.name != ".lock"]


@pytest.fixture
def nothing_left(run: Run, minidock: Minidock) -> Iterator[None]:
    """Beside what every test is checked for: no container, no address, no half-written file."""
    before = containers(minidock)
    yield
    assert containers(minidock) == before
    # Ids of containers that are there, or were: none may still have an address.
    leases = [file.read_text() for file in minidock.root.glob("networks/*.leases.json")]
    assert not re.search("[0-9a-f]{64}", "".join(leases))


REFUSALS = {
    # The words of the issue, in its order.
    "no such image": (125, "--pull never no-such-image true", "No such image: no-such-image:latest"),
    "no such command": (127, "alpine no-such-command", '"no-such-command": executable file not found in $PATH'),
    "no such path": (127, "alpine /no/such/command", '"/no/such/command": no such file or directory'),
    "a path through a file": (127, "alpine /etc/passwd/x", "no such file or directory"),
    "an empty command": (127, "alpine ", "not found"),
    "a file in PATH that is no program": (127, "-e PATH=/etc alpine passwd", "executable file not found in $PATH"),
    "a directory in PATH": (127, "-e PATH=/ alpine etc", '"etc": executable file not found in $PATH'),
    "not executable": (126, "alpine /etc/passwd", '"/etc/passwd": permission denied'),
    "a directory as command": (126, "alpine /etc", '"/etc": is a directory'),
    "a command that the user may not run": (126, "-u nobody -v {tmp}/private:/p alpine /p", "permission denied"),
    "no format that the kernel knows": (126, "-v {tmp}/garbage:/g alpine /g", "exec format error"),
    "an interpreter that is not there": (127, "-v {tmp}/script:/s alpine /s", "no such file or directory"),
    "a pipe as command": (126, "-v {tmp}/pipe:/p alpine /p", "permission denied"),
    "a relative -w": (125, "-w relative alpine true", "'relative' is invalid, it needs to be an absolute path"),
    "a file as -w": (125, "-w /etc/passwd alpine true", "/etc/passwd: Not a directory"),
    "a -w below a file": (125, "-w /etc/passwd/x alpine true", "/etc/passwd/x cannot be made: Not a directory"),
    "an unknown user": (125, "-u nosuch alpine true", "unable to find user nosuch"),
    "an unknown group": (125, "-u root:nosuch alpine true", "unable to find group nosuch"),
    "a user out of range": (125, "-u 99999999999 alpine true", "must be in range"),
    "-v over /proc": (125, "-v {tmp}:/proc alpine true", "inside /proc"),
    "-v into /proc": (125, "-v {tmp}:/proc/sys/net alpine true", "inside /proc"),
    "--tmpfs in /proc": (125, "--tmpfs /proc/fs alpine true", "inside /proc"),
    "memory below what the kernel takes": (125, "-m 1m alpine true", "Minimum memory limit allowed is 6MB"),
    "memory that is no number": (125, "-m lots alpine true", "invalid size: 'lots'"),
    "a malformed name": (125, "--name -x/y alpine true", "Invalid container name (-x/y)"),
    "a name of one letter": (125, "--name x alpine true", "Invalid container name (x)"),
    "a bad --network": (125, "--network nosuch alpine true", "network nosuch not found"),
    # And every other option's own mistakes.
    "no image": (1, "", "'minidock run' requires at least 1 argument"),
    "an empty image": (125, " true", "invalid reference format"),
    "a malformed image": (125, "Alpine true", "must be lowercase"),
    "an unknown option": (125, "--nosuch alpine", "unknown flag: --nosuch"),
    "an option without its value": (125, "--name", "flag needs an argument: --name"),
    "a switch with a bad value": (125, "-t=maybe alpine true", 'invalid argument "maybe" for "-t, --tty" flag'),
    "a terminal without one": (1, "-it alpine true", "the input device is not a TTY"),
    "a bad variable": (125, "-e =x alpine true", "invalid environment variable: =x"),
    "a missing --env-file": (125, "--env-file {tmp}/missing alpine true", "missing: no such file or directory"),
    "a binary --env-file": (125, "--env-file {tmp}/binary alpine true", "invalid utf8 bytes at line 1"),
    "an --env-file with a bad name": (125, "--env-file {tmp}/spaces alpine true", "contains whitespaces"),
    "a host name that is too long": (125, f"-h {'x' * 65} alpine true", "at most 64"),
    "an unknown capability": (125, "--cap-add nosuch alpine true", 'unknown capability: "CAP_NOSUCH"'),
    "an unknown capability to drop": (125, "--cap-drop nosuch alpine true", 'unknown capability: "CAP_NOSUCH"'),
    "an unknown ulimit": (125, "--ulimit nosuch=1 alpine true", "invalid ulimit type: nosuch"),
    "a ulimit without a number": (125, "--ulimit nofile=x alpine true", "'x' is no number"),
    "a ulimit with soft over hard": (125, "--ulimit nofile=2:1 alpine true", "soft limit must be less"),
    "a negative ulimit": (125, "--ulimit nofile=-5 alpine true", "only -1"),
    "a sysctl of the host's": (125, "--sysctl kernel.panic=1 alpine true", "does not belong to a namespace"),
    "a sysctl of the host's network": (125, "--network host --sysctl net.ipv4.ip_forward=1 alpine true", "host's"),
    "an unknown sysctl": (125, "--sysctl net.nosuch=1 alpine true", "this kernel has no parameter net.nosuch"),
    "a sysctl's bad value": (125, "--sysctl net.ipv4.ip_forward=x alpine true", "refuses 'x' for net.ipv4.ip_forward"),
    "a tmpfs size that the kernel refuses": (125, "--tmpfs /x:size=x alpine true", "Invalid argument"),
    "a bad stop signal": (125, "--stop-signal nosuch alpine true", "invalid signal: nosuch"),
    "a bad --pull": (125, "--pull sometimes alpine true", "invalid pull option: 'sometimes': must be one of"),
    "a --cidfile that is there": (125, "--cidfile {tmp}/binary alpine true", "container ID file found"),
    "a --cidfile nowhere": (125, "--cidfile {tmp}/missing/cid alpine true", "failed to create the container ID file"),
}


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize(("code", "words", "why"), REFUSALS.values(), ids=REFUSALS)
def test_refused(run: Run, tmp_path: Path, code: int, words: str, why: str) -> None:
    (tmp_path / "binary").write_bytes(b"A=\xff\n")
    (tmp_path / "spaces").write_text("A B=c\n")
    programs = (("private", 0o700, "#!/bin/sh\n"), ("garbage", 0o755, "?"), ("script", 0o755, "#!/none\n"))
    for name, mode, text in programs:
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(mode)
    os.mkfifo(tmp_path / "pipe", 0o755)
    result = run(*(word.format(tmp=tmp_path) for word in words.split(" ") if words))
    assert (result.code, result.out) == (code, "")
    assert result.err.startswith("minidock: ")
    assert why in result.err
    assert result.err.count("\n") == 1


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("words", ["alpine no-such-command", "-w relative alpine true", "-u nosuch alpine true"])
def test_refused_with_a_network(run: Run, minidock: Minidock, words: str) -> None:
    """The same with a cable and an address on the way."""
    done = minidock("run", "--rm", *words.split())
    assert done.returncode in (125, 127)
    assert done.stderr.count(b"\n") == 1


@pytest.mark.usefixtures("nothing_left")
def test_a_limit_that_this_host_cannot_enforce(run: Run) -> None:
    hierarchy = next(line.split()[1] for line in Path("/proc/mounts").read_text().splitlines() if " cgroup2 " in line)
    if "memory" in Path(hierarchy, "cgroup.controllers").read_text().split():
        pytest.skip("this host has the controller")
    result = run("-m", "64m", "alpine", "true")
    assert (result.code, result.out, result.err.count("\n")) == (125, "", 1)
    assert "no memory controller" in result.err


@pytest.mark.usefixtures("nothing_left")
def test_a_ulimit_beyond_this_host_s(run: Run) -> None:
    import resource

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    result = run("--ulimit", f"nofile={hard}:{hard + 1}", "alpine", "true")
    if result.code == 0:
        pytest.skip("root has CAP_SYS_RESOURCE here")
    assert (result.code, result.out, result.err.count("\n")) == (125, "", 1)
    assert f"nofile: cannot be raised to {hard + 1}, this host allows {hard} at most" in result.err


def test_a_name_in_use(run: Run, minidock: Minidock) -> None:
    assert minidock("run", "--network", "none", "--name", "taken", "alpine", "true").returncode == 0
    result = run("--name", "taken", "alpine", "true")
    assert (result.code, result.out, result.err.count("\n")) == (125, "", 1)
    assert 'The container name "/taken" is already in use by container' in result.err
    assert minidock("rm", "taken").returncode == 0
    assert run("--name", "taken", "alpine", "true").code == 0


def test_one_of_several_gets_the_name(run: Run) -> None:
    with ThreadPoolExecutor() as pool:
        results = list(pool.map(lambda _: run("--name", "wanted", "alpine", "sleep", "1"), range(4)))
    assert sorted(result.code for result in results) == [0, 125, 125, 125]


@pytest.mark.usefixtures("nothing_left")
def test_an_image_without_a_command(run: Run, make_image: MakeImage) -> None:
    result = run(make_image())
    assert (result.code, result.out, result.err.count("\n")) == (125, "", 1)
    assert "no command specified" in result.err


NOT_ROOT = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]


@pytest.mark.parametrize("command", ["run --rm alpine true", "ps", "rm x", "inspect x", "info", "images", "rmi x"])
def test_without_root_and_without_ids_for_a_user(minidock: Minidock, command: str) -> None:
    """The host gives no subordinate ids to this user (tests/engine/test_rootless.py: what it is with some)."""
    if subprocess.run([*NOT_ROOT, minidock.program[0], "version"], capture_output=True, check=False).returncode:
        pytest.skip("minidock is installed where only root can read")
    place = Path(tempfile.mkdtemp(dir="/run"))
    os.chown(place, 65534, 65534)
    environment = {"PATH": os.environ["PATH"], "HOME": str(place), "XDG_RUNTIME_DIR": str(place)}
    words = [*NOT_ROOT, *minidock.program, *command.split()]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    made = list(place.iterdir())
    shutil.rmtree(place)
    assert made == []
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (125, "", 1)
    said = "minidock: run it with sudo; or, for containers without root, this host lacks (as root): "
    assert done.stderr.startswith(said)
    assert "usermod --add-subuids " in done.stderr


def test_a_kernel_without_overlay(run: Run, minidock: Minidock, tmp_path: Path) -> None:
    """Nearly: this kernel, with a list of file systems that lacks overlay, and no module to load."""
    lacking = [line for line in Path("/proc/filesystems").read_text().splitlines() if "overlay" not in line]
    (tmp_path / "filesystems").write_text("\n".join(lacking) + "\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/modprobe").symlink_to("/bin/false")
    command = " ".join([*minidock.program, "run", "--rm", "alpine", "true"])
    script = f"mount --bind {tmp_path}/filesystems /proc/filesystems; PATH={tmp_path}/bin:$PATH exec {command}"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script],
        env=minidock.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr.count("\n")) == (125, 1)
    assert "this kernel has no overlay file system" in done.stderr


def test_a_caller_who_does_not_read(run: Run, minidock: Minidock) -> None:
    """The reader of our output is gone: the command says so as docker's client does, and the container goes on."""
    inside = "sh -c 'for i in 1 2 3 4 5 6 7 8 9; do echo $i; sleep 0.1; done'"
    command = " ".join([*minidock.program, "run", "--rm", "--network", "none", "alpine", inside])
    script = f"({command}; echo $? >&2) | head -n1"
    done = subprocess.run(["sh", "-c", script], env=minidock.environment, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("1\n", "minidock: write /dev/stdout: broken pipe\n1\n")


@pytest.mark.parametrize(("lacks", "why"), [("config", b"is damaged (no config)"),
                                            ("", b"is damaged (state is not an object)")])  # fmt: skip
def test_a_record_that_no_minidock_has_written_is_one_line(
    run: Run, minidock: Minidock, lacks: str, why: bytes
) -> None:
    """One that lacks something, or has something else; --debug shows where that was found."""
    made = minidock("create", "--network", "none", "alpine").stdout.decode().strip()
    record = json.loads((minidock.root / "containers" / made / "container.json").read_text())
    record["state"] = 7
    record.pop(lacks, None)
    minidock("rm", made)
    broken = minidock.root / "containers" / ("0" * 64)
    broken.mkdir()
    (broken / "lock").touch()
    (broken / "container.json").write_text(json.dumps(record))
    try:
        done = minidock("rm", broken.name)
        assert done.returncode != 0
        assert done.stderr.count(b"\n") == 1
        assert why in done.stderr
        assert b"Traceback" in minidock("--debug", "start", "-a", broken.name).stderr
    finally:
        for file in broken.iterdir():
            file.unlink()
        broken.rmdir()
