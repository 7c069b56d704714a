"""What the default seccomp profile answers, asked with raw system calls from inside a container."""

import errno
import json
import os
import struct
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run
from tests.support.command import Minidock

pytestmark = pytest.mark.skipif(os.uname().machine != "x86_64", reason="the probe is a program for x86_64")

X32 = 0x40000000
SYSCALL, INT_80 = b"\x0f\x05", b"\xcd\x80"
AF_ALG, AF_VSOCK = 38, 40


def probe(path: Path, number: int, *, first: int = 0, enter: bytes = SYSCALL) -> Path:
    """A program of 64 bits that makes one system call and exits with its errno, or with 0."""
    code = b"\xb8" + struct.pack("<I", number)  # mov eax, number
    code += (b"\xbf" if enter == SYSCALL else b"\xbb") + struct.pack("<I", first)  # mov edi (int 0x80: ebx), first
    code += b"\xbe\x02\0\0\0\x31\xd2\x31\xc9" if enter == SYSCALL else b"\xb9\x02\0\0\0\x31\xd2"  # 2, 0
    code += enter
    code += b"\x31\xff\x85\xc0\x79\x04\xf7\xd8\x89\xc7"  # xor edi, edi; test eax, eax; jns +4; neg eax; mov edi, eax
    code += b"\xb8\x3c\0\0\0\x0f\x05"  # exit(edi)
    base, size = 0x400000, 64 + 56 + len(code)
    header = b"\x7fELF\x02\x01\x01" + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, base + 120, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    header += struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 0x1000)
    path.write_bytes(header + code)
    path.chmod(0o755)
    return path


ANSWERS = {
    # what the profile knows and does not allow
    "io_uring_setup": (425, 0, SYSCALL, errno.EPERM),
    "mount": (165, 0, SYSCALL, errno.EPERM),
    "socket of AF_VSOCK": (41, AF_VSOCK, SYSCALL, errno.EPERM),
    "socket of AF_ALG": (41, AF_ALG, SYSCALL, errno.EPERM),
    "socket of AF_INET": (41, 2, SYSCALL, 0),
    "socket of AF_UNIX": (41, 1, SYSCALL, 0),
    "uselib": (134, 0, SYSCALL, errno.EPERM),
    # newer than the profile, on each of the three tables that an x86_64 kernel has
    "newer": (900, 0, SYSCALL, errno.ENOSYS),
    "newer of x32": (X32 + 900, 0, SYSCALL, errno.ENOSYS),
    "newer of i386": (900, 0, INT_80, errno.ENOSYS),
    "getpid": (39, 0, SYSCALL, 0),
    "getpid of i386": (20, 0, INT_80, 0),
    "mount of i386": (21, 0, INT_80, errno.EPERM),
}


@pytest.fixture(scope="module")
def answers(minidock: Minidock, tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """The errno of each, all asked in one container."""
    directory = tmp_path_factory.mktemp("probes")
    for place, (number, first, enter, _) in enumerate(ANSWERS.values()):
        probe(directory / str(place), number, first=first, enter=enter)
    script = f"for i in $(seq 0 {len(ANSWERS) - 1}); do /probes/$i; echo $?; done"
    done = minidock("run", "--rm", "-v", f"{directory}:/probes:ro", "alpine", "sh", "-c", script)
    assert done.returncode == 0, done.stderr
    return dict(zip(ANSWERS, map(int, done.stdout.split()), strict=True))


@pytest.mark.parametrize("what", ANSWERS)
def test_the_default_profile(answers: dict[str, int], what: str) -> None:
    assert errno.errorcode.get(answers[what], "0") == errno.errorcode.get(ANSWERS[what][3], "0")


Profile = dict[str, Any]
MOUNT: Profile = {"names": ["mount"], "action": "SCMP_ACT_ERRNO"}
STARTS = [
    "execve", "exit", "exit_group", "wait4", "write", "read", "close", "brk", "mmap", "munmap", "mprotect", "open",
    "openat", "fstat", "stat", "fork", "vfork", "clone", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "arch_prctl",
    "set_tid_address", "getpid", "getppid", "getuid", "geteuid", "getcwd", "fcntl", "ioctl", "gettid", "lseek",
    "prctl", "capget", "capset", "setgroups", "setresgid", "setresuid", "umask",
]  # fmt: skip
PROFILES: dict[str, tuple[Profile, int, int]] = {
    # the profile, its answer to a call that no kernel has, and to mount
    "permissive": ({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [MOUNT]}, errno.ENOSYS, errno.EPERM),
    "with a default of its own": (
        {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": errno.ENOSYS,
         "syscalls": [{"names": STARTS, "action": "SCMP_ACT_ALLOW"}]}, errno.ENOSYS, errno.ENOSYS),
    "with rules for some kernels": (
        {"defaultAction": "SCMP_ACT_ALLOW",
         "syscalls": [{**MOUNT, "errnoRet": errno.EINTR, "includes": {"minKernel": "99.1"}},
                      {**MOUNT, "errnoRet": errno.EIO, "includes": {"minKernel": "4.8"}}]}, errno.ENOSYS, errno.EIO),
}  # fmt: skip


@pytest.mark.parametrize("which", PROFILES)
def test_a_profile_of_one_s_own(run: Run, tmp_path: Path, which: str) -> None:
    profile, unknown, mount = PROFILES[which]
    (tmp_path / "profile.json").write_text(json.dumps(profile))
    probe(tmp_path / "unknown", 900)
    probe(tmp_path / "mount", 165)
    options = ["--security-opt", f"seccomp={tmp_path}/profile.json", "-v", f"{tmp_path}:/probes:ro"]
    out = run.shell("set +e; /probes/unknown; echo $?; /probes/mount; echo $?", *options)
    assert out.split() == [str(unknown), str(mount)]


def test_a_profile_under_which_nothing_can_start_says_so(run: Run, tmp_path: Path) -> None:
    """One that forbids what the first process still has to do, and even telling its creator."""
    profile = {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["write", "exit_group"],
                                                                "action": "SCMP_ACT_ALLOW"}]}  # fmt: skip
    (tmp_path / "profile.json").write_text(json.dumps(profile))
    done = run("--security-opt", f"seccomp={tmp_path}/profile.json", "alpine", "true")
    assert (done.code, done.out) == (125, "")
    assert done.err.startswith("minidock: Set the user and the capabilities: ")
    assert done.err.endswith("Operation not permitted\n")


@pytest.mark.parametrize("damage", ["cut", "empty", "other bytes", "a directory"])
def test_a_damaged_cached_filter_is_compiled_anew(run: Run, minidock: Minidock, damage: str) -> None:
    run.shell("true")
    cached = [path for path in (minidock.root / "cache").glob("seccomp-*.bpf") if path.is_file()]
    for path in cached:
        content = path.read_bytes()
        if damage == "a directory":
            path.unlink()
            path.mkdir()
        else:
            path.write_bytes({"cut": content[:-8], "empty": b"", "other bytes": content[:-64] + bytes(64)}[damage])
    assert run.shell("grep Seccomp: /proc/self/status") == "Seccomp:\t2\n"
    for path in cached:
        if damage == "a directory":
            path.rmdir()


def test_a_cache_that_cannot_be_written_is_done_without(run: Run, minidock: Minidock) -> None:
    (minidock.root / "cache").rename(minidock.root / "cache.aside")
    (minidock.root / "cache").write_text("in the way")
    try:
        assert run.shell("grep Seccomp: /proc/self/status") == "Seccomp:\t2\n"
    finally:
        (minidock.root / "cache").unlink()
        (minidock.root / "cache.aside").rename(minidock.root / "cache")
