"""The same command line in docker and in minidock, on the same root file system: what a program inside sees."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.command import Minidock

pytestmark = pytest.mark.interop


Outcome = tuple[int, bytes]


def both(docker: list[str], minidock: Minidock, *words: str, data: bytes = b"") -> tuple[Outcome, Outcome]:
    """(exit code, standard output) of `run --rm WORDS` in docker and in minidock."""
    theirs = subprocess.run([*docker, "run", "--rm", *words], input=data, capture_output=True, timeout=60, check=False)
    ours = minidock("run", "--rm", *words, input=data)
    return (theirs.returncode, theirs.stdout), (ours.returncode, ours.stdout)


SAME = {
    "identity": ["alpine", "id"],
    "capabilities": ["alpine", "grep", "-E", "Cap|NoNewPrivs|Seccomp:", "/proc/self/status"],
    "signals": ["alpine", "grep", "-E", "Sig(Blk|Ign|Cgt)", "/proc/self/status"],
    "limits": ["alpine", "cat", "/proc/self/limits"],
    "cap-drop": ["--cap-drop", "ALL", "--cap-add", "chown", "alpine", "grep", "Cap", "/proc/self/status"],
    "user": ["-u", "nobody", "alpine", "sh", "-c", "id; grep Cap /proc/self/status; pwd; echo $HOME"],
    "user-numbers": ["-u", "1234:99", "alpine", "sh", "-c", "id; echo $HOME"],
    "environment": ["-e", "A=1", "-e", "B=x y", "-h", "box", "alpine", "sh", "-c", "env | sort"],
    "working-directory": ["-w", "/made/here", "alpine", "sh", "-c", "pwd; ls -ld /made/here | cut -c1-10"],
    "entrypoint": ["--entrypoint", "echo", "alpine", "a", "b"],
    "devices": ["alpine", "sh", "-c", "cd /dev; ls -ld * | awk '{print $1, $3, $4, $NF}'"],
    "open-files": ["alpine", "sh", "-c", "ls /proc/self/fd | wc -l"],
    "ulimit": ["--ulimit", "nofile=100:200", "alpine", "sh", "-c", "ulimit -Sn; ulimit -Hn"],
    "read-only": ["--read-only", "alpine", "touch", "/x"],
    "tmpfs": ["--tmpfs", "/data:size=1m", "alpine", "sh", "-c", "grep ' /data ' /proc/mounts"],
    "hostname": ["-h", "box", "alpine", "sh", "-c", "hostname; cat /etc/hostname"],
    "network-none": ["--network", "none", "alpine", "ip", "-4", "-o", "addr"],
    "sysctl": ["--sysctl", "net.ipv4.ip_forward=1", "alpine", "cat", "/proc/sys/net/ipv4/ip_forward"],
    "default-sysctls": ["alpine", "cat", "/proc/sys/net/ipv4/ping_group_range"],
    "unshare": ["alpine", "unshare", "-m", "true"],
    "mount": ["alpine", "mount", "-t", "tmpfs", "none", "/mnt"],
    "masked": ["alpine", "sh", "-c", "cat /proc/keys /proc/timer_list | wc -c; ls /proc/acpi /sys/firmware | wc -l"],
    "not-writable": ["alpine", "sh", "-c", "echo 1 > /proc/sys/kernel/panic"],
    "exit-code": ["alpine", "sh", "-c", "exit 42"],
    "killed": ["alpine", "sh", "-c", "sleep 0.1; kill -KILL $$; sh -c 'kill -TERM $PPID'; exit 3"],
    "child-killed": ["alpine", "sh", "-c", "sh -c 'kill -KILL $$'; echo $?"],
    "not-found": ["alpine", "nothing-like-this"],
    "no-such-file": ["alpine", "/nothing/like/this"],
    "directory": ["alpine", "/etc"],
    "not-executable": ["alpine", "/etc/passwd"],
    "unknown-user": ["-u", "stranger", "alpine", "true"],
    "relative-workdir": ["-w", "here", "alpine", "true"],
    "little-memory": ["-m", "1m", "alpine", "true"],
    "bad-size": ["-m", "lots", "alpine", "true"],
    "bad-name": ["--name", "-x", "alpine", "true"],
    "bad-capability": ["--cap-add", "FOO", "alpine", "true"],
    "bad-flag": ["--no-such-flag", "alpine"],
    "no-image": ["--pull", "never", "nothing-like-this", "true"],
}


@pytest.mark.parametrize("words", SAME.values(), ids=SAME.keys())
def test_same_as_docker(docker: list[str], minidock: Minidock, words: list[str]) -> None:
    theirs, ours = both(docker, minidock, *words)
    assert ours == theirs


def test_input_passes_as_in_docker(docker: list[str], minidock: Minidock) -> None:
    data = bytes(range(256)) * 4096
    theirs, ours = both(docker, minidock, "-i", "alpine", "cat", data=data)
    assert ours == theirs == (0, data)


def test_mounts_are_docker_s(docker: list[str], minidock: Minidock) -> None:
    """Type, place and options of every mount; cgroup differs (version 1 in docker here), so do sources on the host."""

    def plain(options: str) -> str:
        return ",".join(option for option in options.split(",") if "=" not in option or option.startswith("mode"))

    def table(output: bytes) -> set[tuple[str, str, str]]:
        rows = [line.split() for line in output.decode().splitlines()]
        rows = [row for row in rows if not row[1].startswith("/sys/fs/cgroup") and row[1] != "/"]
        return {(where, kind, plain(options)) for _, where, kind, options, *_ in rows}

    theirs, ours = both(docker, minidock, "alpine", "cat", "/proc/mounts")
    newer = {"/proc/interrupts", "/sys/devices/virtual/powercap"}  # masked by docker since 2024, not by this one
    # docker masks a file with its container's own /dev/null, we with a null device that nothing inside can change.
    masks = {"/proc/keys", "/proc/timer_list"}
    here = {row for row in table(ours[1]) if row[0] not in newer and not row[0].endswith("/thermal_throttle")}
    there = table(theirs[1])
    assert {row for row in here if row[0] not in masks} == {row for row in there if row[0] not in masks}
    assert {(where, kind) for where, kind, _ in here} == {(where, kind) for where, kind, _ in there}
    assert all(options.startswith("ro,nosuid,noexec") for where, _, options in here if where in masks)


def test_runc_runs_our_bundle(minidock: Minidock) -> None:
    """The border between engine and runtime is the standard's: another runtime takes the very same bundle."""
    where = ["--name", "for-runc", "--network", "none", "-h", "box"]
    made = minidock("run", *where, "alpine", "sh", "-c", "hostname; exit 5")
    assert made.returncode == 5
    config = minidock("inspect", "for-runc").stdout.decode().split('"OCIConfigPath": "')[1].split('"')[0]
    words = ["runc", "run", "-b", Path(config).parent, "minidock-interop"]
    done = subprocess.run(words, capture_output=True, check=False)
    minidock("rm", "for-runc")
    assert (done.returncode, done.stdout) == (5, b"box\n")
