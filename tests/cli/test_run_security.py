"""What root inside may not do (book 9)."""

import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import MakeImage, Run
from tests.support.command import Minidock

# docker's 14 capabilities: chown dac_override fowner fsetid kill setgid setuid setpcap net_bind_service net_raw
# sys_chroot mknod audit_write setfcap
DEFAULT = 0xA80425FB
CHOWN, NET_ADMIN, SYS_ADMIN = 1 << 0, 1 << 12, 1 << 21


def own_bounding_set() -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("CapBnd"))
    return int(line.split()[1], 16)


CAPABILITIES = {
    "": (DEFAULT, DEFAULT),
    "--cap-drop ALL": (0, 0),
    "--cap-drop chown": (DEFAULT & ~CHOWN,) * 2,
    "--cap-drop ALL --cap-add CAP_CHOWN --cap-add=net_admin": (CHOWN | NET_ADMIN,) * 2,
    "--cap-add NET_ADMIN": (DEFAULT | NET_ADMIN,) * 2,
    "--cap-add ALL --cap-drop CHOWN": (own_bounding_set() & ~CHOWN,) * 2,
    "--privileged": (own_bounding_set(),) * 2,
    "-u nobody": (0, DEFAULT),  # the bounding set stays, for set-uid programs
    "-u nobody --cap-add SYS_ADMIN": (0, DEFAULT | SYS_ADMIN),
}


@pytest.mark.parametrize(("options", "expected"), CAPABILITIES.items(), ids=CAPABILITIES)
def test_capabilities(run: Run, options: str, expected: tuple[int, int]) -> None:
    lines = run.shell('grep -E "^(Cap|NoNew|Seccomp:)" /proc/self/status', *options.split()).split()
    status = dict(zip(lines[::2], lines[1::2], strict=True))
    masks = [int(status[f"Cap{name}:"], 16) for name in ("Inh", "Prm", "Eff", "Bnd", "Amb")]
    assert masks == [0, expected[0], expected[0], expected[1], 0]
    assert status["NoNewPrivs:"] == "0"
    assert status["Seccomp:"] == ("0" if options == "--privileged" else "2")


# Calls that docker's profile forbids to a container with the default capabilities, by their x86-64 numbers, with
# arguments that are wrong in any case: what is not EPERM came from behind the filter.
SYSCALLS = """
import ctypes, errno, json
libc = ctypes.CDLL(None, use_errno=True)
def call(*arguments):
    ctypes.set_errno(0)
    result = libc.syscall(*map(ctypes.c_long, arguments))
    return errno.errorcode.get(ctypes.get_errno(), "") if result == -1 else "ok"
print(json.dumps({
    "unshare": call(272, 0x10000000), "keyctl": call(250, 0, 0), "add_key": call(248, 0, 0, 0, 0, 0),
    "mount": call(165, 0, 0, 0, 0, 0), "umount2": call(166, 0, 0), "pivot_root": call(155, 0, 0),
    "setns": call(308, -1, 0), "bpf": call(321, -1, 0, 0), "kexec_load": call(246, 0, 0, 0, 0),
    "init_module": call(175, 0, 0, 0), "delete_module": call(176, 0, 0), "reboot": call(169, 0, 0, 0),
    "swapon": call(167, 0, 0), "settimeofday": call(164, 0, 0), "open_by_handle_at": call(304, -1, 0, 0),
    "perf_event_open": call(298, 0, 0, 0, -1, 0), "userfaultfd": call(323, 0), "iopl": call(172, 3),
    "clone with a new user namespace": call(56, 0x10000000, 0, 0, 0, 0), "fsopen": call(430, 0, 0),
    "clone3": call(435, 0, 0), "ptrace": call(101, 999, 0, 0, 0), "personality": call(135, 0xFFFFFFFF),
    "getpid": call(39),
}))
"""


def test_system_calls_are_filtered(run: Run) -> None:
    if os.uname().machine != "x86_64":
        pytest.skip("the numbers above are x86-64's")
    python = os.path.realpath(sys.executable)
    result = run("-v", "/:/host:ro", "alpine", "chroot", "/host", python, "-I", "-S", "-c", SYSCALLS)
    assert result.err == ""
    answers: dict[str, Any] = json.loads(result.out)
    allowed = {name: answers.pop(name) for name in ("clone3", "ptrace", "personality", "getpid")}
    # clone3's flags are in memory where no filter can see them: "no such call" makes programs use clone instead.
    assert allowed == {"clone3": "ENOSYS", "ptrace": "ESRCH", "personality": "ok", "getpid": "ok"}
    assert set(answers.values()) == {"EPERM"}, answers


def test_the_filter_follows_the_capabilities(run: Run) -> None:
    script = "mount -t tmpfs x /mnt && unshare -m true && echo done"
    assert run("alpine", "sh", "-c", script).code == 1
    assert run("--cap-add", "SYS_ADMIN", "alpine", "sh", "-c", script).out == "done\n"


@pytest.fixture
def forbidden(tmp_path: Path) -> list[str]:
    """Devices, as mknod takes them, that this machine lets its own root open and a container's must not."""
    disks = [path.read_text().strip().replace(":", " ") for path in Path("/sys/block").glob("*/dev")]
    candidates = ["c 1 1", "c 1 4", "c 1 11", "c 4 0", "c 10 229", "c 10 237", *(f"b {disk}" for disk in disks)]
    usable = []
    for number, candidate in enumerate(candidates):
        kind, major, minor = candidate.split()
        node = tmp_path / str(number)
        os.mknod(node, stat.S_IFBLK if kind == "b" else stat.S_IFCHR, os.makedev(int(major), int(minor)))
        try:
            os.close(os.open(node, os.O_RDONLY))
            usable.append(candidate)
        except OSError:
            continue
    if not usable:
        pytest.skip("this machine's own root may open no device")
    return usable


def test_a_node_of_a_host_s_device_can_be_made_but_not_used(run: Run, forbidden: list[str]) -> None:
    script = "".join(f"mknod /{n} {device}; true </{n} && echo opened; " for n, device in enumerate(forbidden))
    assert run("alpine", "sh", "-c", script).err.count("Operation not permitted") == len(forbidden)
    assert run("--privileged", "alpine", "sh", "-c", script).out.count("opened") == len(forbidden)
    assert run.shell("mknod /null c 1 3; echo works >/null; stat -c %t:%T /null") == "1:3\n"


def test_privileged(run: Run) -> None:
    script = (
        "grep -c ' /sys .* rw' /proc/1/mountinfo; grep -E ' /proc/(sys|kcore|keys) ' /proc/1/mountinfo | wc -l; "
        "ls /dev | wc -l; echo 1 >/proc/sys/net/ipv4/ip_forward; ls -d /sys/firmware >/dev/null"
    )
    sys_writable, masked, devices = run.shell(script, "--privileged").split()
    assert (sys_writable, masked) == ("1", "0")
    assert int(devices) > 20 or len(os.listdir("/dev")) < 20


# Everything by which a container's program could be the runtime's own file, which is open for writing to whoever
# comes back to it through /proc/PID/exe (CVE-2019-5736).
OURSELVES = {
    "/proc/self/exe": "",
    "/proc/1/exe": "",
    "/proc/thread-self/exe": "",
    "/x/link": "",
    "/x/script": "#!/proc/self/exe\n",
    "/x/script with arguments": "#! \t/proc/self/exe -c pass\n",
    "/x/script of a link": "#!/x/link\n",
    "/x/script of a script": "#!/x/script",
}


@pytest.mark.parametrize("program", OURSELVES)
def test_the_runtime_is_not_to_be_had(run: Run, tmp_path: Path, program: str) -> None:
    (tmp_path / "link").symlink_to("/proc/self/exe")
    for path, text in OURSELVES.items():
        if text:
            (tmp_path / Path(path).name).write_text(text)
            (tmp_path / Path(path).name).chmod(0o755)
    result = run("-v", f"{tmp_path}:/x", "--entrypoint", program, "alpine", "--version")
    assert (result.code, result.out, result.err) == (126, "", f'minidock: exec: "{program}": permission denied\n')


def test_the_runtime_s_file_may_be_shown_on_purpose(run: Run) -> None:
    python = os.path.realpath(sys.executable)
    result = run("-v", f"{python}:/py:ro", "alpine", "/py")
    assert "runtime itself" not in result.err


@pytest.mark.parametrize("number", [3, 7, 8, 10, 16])
@pytest.mark.parametrize("path", ["/proc/self/fd/{}", "/proc/1/fd/{}", "/proc/thread-self/fd/{}"])
def test_no_directory_of_the_host_s_as_working_directory(run: Run, path: str, number: int) -> None:
    """A descriptor of the host's root, left open in the runtime, was a way out (CVE-2024-21626)."""
    result = run("-w", path.format(number), "alpine", "sh", "-c", "ls -a; pwd")
    assert (result.code, result.out) == (125, "")
    assert result.err.count("\n") == 1


def test_a_link_to_such_a_directory_is_none_either(run: Run, make_image: MakeImage) -> None:
    result = run("-w", "/w", make_image(("w", "/proc/self/fd/3")), "/bin/sh", "-c", "pwd")
    assert (result.code, result.out) == (125, "")


def test_keys_of_the_caller_and_of_other_containers_stay_outside(run: Run, minidock: Minidock) -> None:
    """keyctl is allowed to privileged containers. The serial number of the session keyring tells two apart."""
    if os.uname().machine != "x86_64":
        pytest.skip("the number of keyctl is x86-64's")
    python = os.path.realpath(sys.executable)
    code = "import ctypes; print(ctypes.CDLL(None).syscall(250, 0, -3, 0))"  # KEYCTL_GET_KEYRING_ID, session
    words = ("--privileged", "-v", "/:/host:ro", "alpine", "chroot", "/host", python, "-I", "-S", "-c", code)
    with run.entered(*words[:4]) as inside:
        first = inside(f"chroot /host {python} -I -S -c '{code}'")
        assert first != run(*words).out
    assert int(first) > 0
