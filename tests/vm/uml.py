#!/usr/bin/env python3
"""Run a command under a second kernel: user-mode Linux over this machine's own files.

    tests/vm/uml.py [--memory 1024M] [--timeout 900] -- COMMAND [ARGUMENT...]
    tests/vm/uml.py --needed        exit code 0 when this kernel lacks a cgroup v2 controller, else 1

User-mode Linux is a Linux kernel built as an ordinary program, Debian's `user-mode-linux`. It boots in
about two seconds with the cgroup v2 controllers cpu, io, memory and pids, whatever the host's kernel has.
Its root is the host's own file system, read-only through hostfs, so the host's Python and this checkout are
there under their own names; init.sh lays memory over what programs write to. The command's output is streamed
as it comes and its exit code is ours. A kernel that panics, hangs or loses its answer is exit code 1 with the
last lines of its log.

Nothing stays behind: the kernel's many host processes live in a PID namespace of their own, whose first
process dies with this program, even when that is killed with SIGKILL (PR_SET_PDEATHSIG of prctl(2);
pid_namespaces(7)).

Source: https://docs.kernel.org/virt/uml/user_mode_linux_howto_v2.html
"""

import argparse
import contextlib
import fcntl
import os
import select
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
INIT = Path(__file__).with_name("init.sh").resolve()
XSTATE = Path(__file__).with_name("xstate.c").resolve()
CONTROLLERS = {"cpu", "io", "memory", "pids"}
TERMINAL_SIZE = (24, 100)  # rows, columns
DISK_BYTES = 64 << 20  # /dev/ubda, a sparse file: io.max needs a block device to name
PASSED_ON = ("PATH", "TERM", "LANG", "CI", "PYTEST_ADDOPTS")


class SecondKernelError(Exception):
    """The kernel gave no result; the message says what its log says."""


def missing_controllers() -> set[str]:
    """The controllers that this kernel's cgroup v2 tree does not offer (cgroups(7))."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        if after.startswith("cgroup2 "):
            offered = Path(before.split()[4], "cgroup.controllers").read_text().split()
            return CONTROLLERS.difference(offered)
    return set(CONTROLLERS)


def script(command: list[str]) -> str:
    """What init.sh's shell runs: the caller's directory and environment, then the command in its place."""
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    # The checkout cannot be written to in there, and a failed attempt per module would cost time.
    environment |= {"HOME": "/tmp", "PYTHONDONTWRITEBYTECODE": "1"}
    environment["MINIDOCK_TESTS_ISOLATION"] = "machine"  # tests have a machine of their own in there
    if not sys.stdout.isatty():  # in there it always is one
        environment["NO_COLOR"] = "1"
    exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in environment.items())
    return f"{exports}cd {shlex.quote(os.getcwd())} || exit 125\nexec {shlex.join(command)}\n"


def kernel_command(share: Path, memory: str, terminal: int) -> list[str]:
    """linux.uml with all that it needs, in a PID namespace that does not outlive us."""
    fence = ["setpriv", "--pdeathsig", "KILL", "unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    machine = [f"mem={memory}", f"ubd0={share}/disk", f"uml_dir={share}"]
    consoles = ["con=null", "con0=null,fd:1", f"con1=fd:{terminal},fd:{terminal}"]
    root = ["root=/dev/root", "rootfstype=hostfs", "ro", f"init={INIT}"]
    # What the kernel does not know and has no dot becomes the environment of init.
    kernel = ["linux.uml", *machine, *consoles, *root, f"share={share}", f"checkout={CHECKOUT}"]
    # A panicking kernel ends itself with SIGABRT, which the first process of a PID namespace would never get:
    # so that is a shell.
    return [*fence, "sh", "-c", '"$@"; exit', "sh", *kernel]


def kernel_environment(share: Path) -> dict[str, str]:
    """The kernel's own; with xstate.c before the C library where the processor has more registers than it knows."""
    own = {"PATH": os.environ["PATH"]}  # without a TMPDIR its memory is a file in /dev/shm: faster
    if " amx_tile" in Path("/proc/cpuinfo").read_text():
        own["LD_PRELOAD"] = str(share / "xstate.so")
        command = ["cc", "-O2", "-shared", "-fPIC", "-o", own["LD_PRELOAD"], str(XSTATE)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SecondKernelError(f"{XSTATE.name} cannot be compiled: {done.stderr.strip()}")
    return own


def copy_until_hangup(terminal: int, deadline: float) -> None:
    """Copy the terminal to our standard output until every process of the kernel has let go of it."""
    while True:
        readable, _, _ = select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))
        if not readable:
            raise TimeoutError
        try:
            data = os.read(terminal, 65536)
        except OSError:  # EIO: the last process that held the other end is gone
            return
        while data:
            data = data[os.write(1, data) :]


def last_words(log: Path) -> str:
    """The end of the kernel's log, from its panic where there is one."""
    lines = log.read_text(errors="replace").splitlines()
    panic = next((number for number, line in enumerate(lines) if "Kernel panic" in line), None)
    shown = lines[-15:] if panic is None else lines[panic : panic + 15]
    return "\n".join(["its log ends:" if panic is None else "it panicked:", *shown])


def boot(command: list[str], memory: str, timeout: float) -> int:
    """Boot, run `command`, halt; the command's exit code.

    Raises SecondKernelError when the kernel ends or `timeout` seconds pass without a result.
    """
    with tempfile.TemporaryDirectory(prefix="minidock-uml-") as name:
        share = Path(name)
        log = share / "log"
        (share / "command").write_text(script(command))
        with (share / "disk").open("wb") as disk:
            disk.truncate(DISK_BYTES)
        ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", *TERMINAL_SIZE, 0, 0))
        with log.open("wb") as log_file:
            kernel = subprocess.Popen(
                kernel_command(share, memory, theirs),
                stdin=subprocess.DEVNULL,
                stdout=log_file,
                stderr=subprocess.STDOUT,
                pass_fds=[theirs],
                env=kernel_environment(share),
            )
        os.close(theirs)
        try:
            copy_until_hangup(ours, time.monotonic() + timeout)
            kernel.wait()
            return int((share / "status").read_text())
        except TimeoutError:
            raise SecondKernelError(f"no result after {timeout:g} s; {last_words(log)}") from None
        except (FileNotFoundError, ValueError):
            raise SecondKernelError(f"it halted without a result; {last_words(log)}") from None
        finally:
            kernel.kill()
            kernel.wait()
            # Its processes end a moment after unshare has, and only then may their directory go.
            with contextlib.suppress(TimeoutError):
                copy_until_hangup(ours, time.monotonic() + 10)
            os.close(ours)


def main() -> int:
    parser = argparse.ArgumentParser(description="Run a command under user-mode Linux.")
    parser.add_argument("--memory", default="1024M", help="the second machine's memory (default %(default)s)")
    parser.add_argument("--timeout", type=float, default=900, help="seconds, with the boot (default %(default)s)")
    parser.add_argument("--needed", action="store_true", help="say whether this kernel lacks controllers")
    parser.add_argument("command", nargs="*", help="after --")
    arguments = parser.parse_args()
    if arguments.needed:
        return 0 if missing_controllers() else 1
    if not arguments.command:
        parser.error("which command?")
    if os.geteuid() != 0:
        parser.error("needs root, as the command will be")
    if not shutil.which("linux.uml"):
        parser.error("linux.uml is not installed; try: apt-get install user-mode-linux")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that `finally` is reached
    try:
        return boot(arguments.command, arguments.memory, arguments.timeout)
    except SecondKernelError as error:
        print(f"second kernel: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


if __name__ == "__main__":
    sys.exit(main())
