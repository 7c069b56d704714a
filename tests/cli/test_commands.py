"""What there is beside `run`: ps, rm, inspect, info, version; names and ids."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.support.command import Minidock


@pytest.fixture
def kept(run: Run, minidock: Minidock, tmp_path: Path) -> Iterator[str]:
    """The id of a container that has ended with 3 and is called `kept`."""
    file = tmp_path / "cid"
    command = "echo 'a\nb' \"c\"; exit 3"
    words = ["--name", "kept", "--cidfile", str(file), "-e", "A=1", "-v", f"{tmp_path}:/v:ro", "alpine", "sh", "-c"]
    assert minidock("run", "--network", "none", *words, command).returncode == 3
    yield file.read_text()
    minidock("rm", "-f", "kept")


def test_ps_has_docker_s_columns(minidock: Minidock, kept: str) -> None:
    assert minidock("ps").stdout == b"CONTAINER ID   IMAGE     COMMAND   CREATED   STATUS    PORTS     NAMES\n"
    header, row = minidock("ps", "-a").stdout.decode().splitlines()
    cells = re.split(r" {3,}", row)
    assert re.split(r" {3,}", header) == ["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"]
    assert cells[:3] == [kept[:12], "alpine", r'''"sh -c 'echo 'a\nb' \"…"''']
    assert re.fullmatch(r"(Less than a|\d+) seconds? ago", cells[3])
    assert re.fullmatch(r"Exited \(3\) (Less than a|\d+) seconds? ago", cells[4])
    assert cells[-1] == "kept"
    assert minidock("ps", "-aq").stdout.decode() == f"{kept[:12]}\n"
    assert minidock("ps", "-aq", "--no-trunc").stdout.decode() == f"{kept}\n"


def test_ps_shows_what_runs(run: Run, minidock: Minidock) -> None:
    with run.entered("--name", "running", "alpine") as inside:
        inside("true")
        row = minidock("ps").stdout.decode().splitlines()[1]
        assert re.search(r"alpine +\"sh\" +.*seconds? ago +Up .*second.* +running$", row)
        shown = json.loads(minidock("inspect", "running").stdout)[0]
        assert os.readlink(f"/proc/{shown['State']['Pid']}/ns/pid") in inside("readlink /proc/1/ns/pid")
        refused = minidock("rm", "running")
        assert (refused.returncode, refused.stderr.count(b"\n")) == (1, 1)
        assert b"container is running: stop the container before removing" in refused.stderr
    assert minidock("ps", "-q").stdout == b""


def test_rm_force_kills(run: Run, minidock: Minidock) -> None:
    with run.entered("--name", "doomed", "alpine") as inside:
        inside("true")
        assert minidock("rm", "-f", "doomed").stdout == b"doomed\n"
    assert inside.process.returncode == 128 + signal.SIGKILL
    assert minidock("ps", "-aq").stdout == b""


def test_any_unique_prefix_of_an_id_will_do(minidock: Minidock, kept: str) -> None:
    assert re.fullmatch("[0-9a-f]{64}", kept)
    for name in ("kept", "/kept", kept, kept[:12], kept[:6]):
        assert json.loads(minidock("inspect", "--type", "container", name).stdout)[0]["Id"] == kept
    for _ in range(16):  # the seventeenth id's first digit is one that an earlier one has
        assert minidock("run", "--network", "none", "alpine", "true").returncode == 0
    others = minidock("ps", "-aq", "--no-trunc").stdout.decode().split()
    digits = [other[0] for other in others]
    twice = next(digit for digit in digits if digits.count(digit) > 1)
    ambiguous = minidock("inspect", "--type", "container", twice)
    assert (ambiguous.returncode, ambiguous.stdout, ambiguous.stderr.count(b"\n")) == (1, b"[]\n", 1)
    assert minidock("rm", *others).stdout.decode().split() == others


def test_rm_goes_on_after_a_failure(minidock: Minidock, kept: str) -> None:
    done = minidock("rm", "nosuch", "kept")
    assert (done.returncode, done.stdout, done.stderr) == (1, b"kept\n", b"minidock: No such container: nosuch\n")
    assert not os.path.exists(minidock.root / "containers" / kept)
    assert minidock("rm", "-f", "nosuch").returncode == 0


def test_inspect(minidock: Minidock, kept: str, tmp_path: Path) -> None:
    shown = json.loads(minidock("inspect", "kept").stdout)[0]
    assert shown["Name"] == "/kept"
    assert (shown["Path"], shown["Args"][0]) == ("sh", "-c")
    assert shown["State"] | {"StartedAt": "", "FinishedAt": ""} == {
        "Status": "exited", "Running": False, "Paused": False, "Restarting": False, "OOMKilled": False, "Dead": False,
        "Pid": 0, "ExitCode": 3, "Error": "", "StartedAt": "", "FinishedAt": "",
    }  # fmt: skip
    assert shown["Created"] < shown["State"]["StartedAt"] < shown["State"]["FinishedAt"]
    assert "A=1" in shown["Config"]["Env"]
    assert shown["Mounts"] == [{"Type": "bind", "Source": str(tmp_path), "Destination": "/v", "Mode": "ro", "RW": False,
                                "Propagation": "rprivate"}]  # fmt: skip
    assert shown["HostConfig"]["NetworkMode"] == "none"
    spec = json.loads(Path(shown["OCIConfigPath"]).read_text())
    assert spec["process"]["args"] == [shown["Path"], *shown["Args"]]
    image = json.loads(minidock("inspect", "alpine").stdout)[0]
    assert image["Id"] == shown["Image"]
    missing = minidock("inspect", "nosuch", "kept")
    assert missing.returncode == 1
    assert missing.stderr == b"minidock: No such object: nosuch\n"
    assert json.loads(missing.stdout)[0]["Id"] == kept


def test_info_says_what_the_kernel_has(run: Run, minidock: Minidock) -> None:
    out = minidock("info").stdout.decode()
    facts = {line[2:26].strip(): line[27:] for line in out.splitlines() if line.startswith("  ")}
    for kind, name in (("mount", "mnt"), ("network", "net"), ("time", "time"), ("user", "user")):
        assert (facts[kind] == "yes") is os.path.exists(f"/proc/self/ns/{name}")
    assert facts["overlay"] == "yes"
    tree = next(line.split()[1] for line in Path("/proc/mounts").read_text().splitlines() if " cgroup2 " in line)
    controllers = Path(tree, "cgroup.controllers").read_text().split()
    for controller in ("memory", "cpu", "pids", "io", "cpuset"):
        assert (facts[controller] == "yes") is (controller in controllers)
        assert facts[controller] == "yes" or "refused" in facts[controller]
    assert os.uname().release in out


def test_info_answers_what_scripts_ask_docker(minidock: Minidock, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[registries]\ninsecure = ["reg:5000", "10.0.0.0/8"]\n'
                                          '[registries.mirrors]\n"docker.io" = ["https://mirror"]\n')  # fmt: skip
    settings = {"MINIDOCK_CONFIG": str(tmp_path / "config.toml"), "https_proxy": "http://me:secret@proxy"}
    info = json.loads(minidock("info", "--format", "{{json .}}", env=settings).stdout)
    assert info["Swarm"]["LocalNodeState"] == "inactive"
    assert info["RegistryConfig"]["Mirrors"] == ["https://mirror"]
    assert info["RegistryConfig"]["InsecureRegistryCIDRs"] == ["127.0.0.0/8", "10.0.0.0/8"]
    assert {name: one["Secure"] for name, one in info["RegistryConfig"]["IndexConfigs"].items()} == {
        "docker.io": True, "reg:5000": False,
    }  # fmt: skip
    assert info["HttpsProxy"] == "http://xxxxx:xxxxx@proxy"
    assert ("WARNING: No memory limit support" in info["Warnings"]) is not info["MemoryLimit"]
    wrong = minidock("info", "--format", "{{.Nope}}")
    assert (wrong.returncode, wrong.stderr.decode()) == (
        1, 'minidock: template: :1:2: executing "" at <.Nope>: can\'t evaluate field Nope in type system.dockerInfo\n'
    )  # fmt: skip


def test_version(minidock: Minidock) -> None:
    assert re.match(rb"minidock version \d+\.\d+\.\d+, Python 3\.", minidock("version").stdout)
    assert re.match(rb"minidock version \d+\.\d+\.\d+\n", minidock("--version").stdout)


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["ps", "--help"], ["rm", "-h"], ["info", "--help"]])
def test_help(minidock: Minidock, words: list[str]) -> None:
    done = minidock(*words)
    assert done.returncode == 0
    assert done.stdout.startswith(b"Usage: minidock")


@pytest.mark.parametrize("words", [(), ("volume",), ("system",)])
def test_a_noun_alone_is_a_question(minidock: Minidock, words: tuple[str, ...]) -> None:
    done = minidock(*words)
    assert done.returncode == 0
    assert b"Usage: minidock" in done.stdout + done.stderr
    assert minidock(*words, "no-such-verb").returncode == 1


@pytest.mark.parametrize("words", [["nosuch"], ["ps", "--nosuch"], ["rm"], ["inspect"], ["--nosuch", "ps"]])
def test_bad_usage_is_one_line(minidock: Minidock, words: list[str]) -> None:
    done = minidock(*words)
    assert (done.returncode, done.stdout) == (125 if "--nosuch" in words else 1, b"")
    assert done.stderr.startswith(b"minidock: ")
    assert done.stderr.count(b"\n") == 1


def test_info_says_how_to_get_what_is_missing(minidock: Minidock) -> None:
    hide = 'mount --bind /dev/null "$(readlink -f "$(command -v nft)")" && exec "$@"'  # nobody can execute that
    command = ["unshare", "--mount", "sh", "-c", hide, "sh", *minidock.program, "info"]
    shown = subprocess.run(command, env=minidock.environment, capture_output=True, text=True, check=True).stdout
    facts, _, remedies = shown.partition("To get what is missing:\n")
    assert "  nft command              missing: no way out\n" in facts
    assert "  nft command: install the package nftables\n" in remedies
    missing = {line[2:26].strip() for line in facts.splitlines() if line[27:].startswith("missing: ")}
    named = {name.strip() for line in remedies.splitlines() for name in line.partition(": ")[0].split(",")}
    assert missing - {"all capabilities"} == named


def test_help_is_a_command_too(minidock: Minidock) -> None:
    for words in ((), ("run",), ("network",), ("network", "ls")):
        helped = minidock("help", *words)
        assert (helped.returncode, helped.stdout) == (0, minidock(*words, "--help").stdout)
    assert minidock("help", "rum").stderr == b"minidock: unknown command: minidock rum (see 'minidock --help')\n"
    assert minidock("-v").stdout == minidock("--version").stdout


def test_what_docker_has_and_we_have_not_is_said(minidock: Minidock) -> None:
    for words in (("swarm", "init"), ("context", "ls"), ("checkpoint", "create"), ("plugin", "ls"), ("buildx", "bake")):
        done = minidock(*words)
        assert done.returncode == 125
        assert done.stderr.startswith(b"minidock: docker's '" + words[0].encode())
        assert b"is not part of minidock" in done.stderr
        assert done.stderr.count(b"\n") == 1
    assert b"minidock-oci as its runtime" in minidock("stack", "deploy").stderr
