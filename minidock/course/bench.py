"""What a check works with: the student's program, a root file system, and the machine that the program may change.

The program runs in a mount namespace of its own, whose mounts are shared with whatever namespace is made out of it
(MS_SHARED), as systemd has them: so it shows when a program has forgotten MS_PRIVATE. The check stays outside of it.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from minidock.course.missing import Missing
from minidock.linux import syscalls

READY = "ready"
WAIT = f"echo {READY}; read line"  # what a container does while it is looked at
_HOLE = "NotImplementedError: "
_POLL = 0.02
_SHOWN = 300  # characters of what a program has said


class Done:
    """How a program has ended."""

    def __init__(self, code: int, output: str, errors: str) -> None:
        self.code, self.output, self.errors = code, output, errors

    @property
    def said(self) -> str:
        """The last line that it wrote to standard error, in brackets; empty if there is none."""
        lines = [line.strip() for line in self.errors.splitlines() if line.strip()]
        return f" (it said: {lines[-1][:_SHOWN]})" if lines else ""


class Running:
    """The student's program while its container runs. `command` is what was to run inside."""

    def __init__(self, process: subprocess.Popen[bytes], errors: int, command: list[str], seconds: float) -> None:
        self.process, self.command, self.seconds, self._errors = process, command, seconds, errors

    def found(self) -> int | None:
        """The process inside, as the check sees it, or None."""
        for pid in sorted(pids(), reverse=True):
            words = read(f"/proc/{pid}/cmdline").rstrip("\0").split("\0")
            if words[1:] == self.command[1:] and os.path.basename(words[0]) == os.path.basename(self.command[0]):
                return pid
        return None

    @property
    def pid(self) -> int:
        """The same. Raises `Missing` if there is none."""
        if (pid := self.found()) is not None:
            return pid
        raise Missing(f"no process runs {' '.join(self.command[:2])} ...: exec it, with its arguments as they are")

    def line(self) -> str:
        """The next line of its output. Raises `Missing` if there is none."""
        assert self.process.stdout
        found, deadline = b"", time.monotonic() + self.seconds
        while not found.endswith(b"\n"):
            if not select.select([self.process.stdout], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise Missing(f"nothing came out of the command in {self.seconds:.0f} seconds: it is not run, or hangs")
            if not (byte := os.read(self.process.stdout.fileno(), 1)):
                done = self.end()
                raise refusal(done) or Missing(
                    f"the command was not run: your program ended with {done.code}{done.said}"
                )
            found += byte
        return found.decode(errors="replace").rstrip("\n")

    def lines(self) -> list[str]:
        """The lines until it says that it is ready."""
        found = []
        while (line := self.line()) != READY:
            found.append(line)
        return found

    def end(self) -> Done:
        """Close its input, and wait for its end."""
        try:
            output, _ = self.process.communicate(b"", timeout=self.seconds)
        except subprocess.TimeoutExpired:
            raise Missing(
                f"your program has not ended {self.seconds:.0f} seconds after the command: wait for it"
            ) from None
        os.lseek(self._errors, 0, os.SEEK_SET)
        with open(self._errors, closefd=False, errors="replace") as errors:
            return Done(self.process.returncode, output.decode(errors="replace"), errors.read())


class Bench:
    """`program`: the words that begin the student's command line; `rootfs`: a copy of an image's files, or "";
    `seconds`: how long to wait for one run of the program; `tell` is given each line of the report."""

    def __init__(self, program: list[str], rootfs: str, seconds: float, tell: Callable[[str], None]) -> None:
        self.program, self.rootfs, self.seconds, self._tell = program, rootfs, seconds, tell
        self.skipped = 0
        self.host = _share_mounts()  # whose first process holds the mount namespace of the "host"
        self._others = pids()

    def ok(self, text: str) -> None:
        """Report that something is as it should be."""
        self._tell(f"  ok    {text}")

    def skip(self, text: str) -> None:
        """Report that something cannot be looked at on this machine."""
        self.skipped += 1
        self._tell(f"  skip  {text}")

    def mounts(self) -> list[str]:
        """What is mounted on the "host", line by line (proc_pid_mountinfo(5))."""
        return read(f"/proc/{self.host}/mountinfo").splitlines()

    @contextmanager
    def start(self, *arguments: str, command: list[str]) -> Iterator[Running]:
        """Start the student's program with `arguments` and `command`; kill it if it has not been waited for."""
        namespace = os.open(f"/proc/{self.host}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)

        def enter() -> None:
            here = os.getcwd()
            syscalls.setns(namespace, syscalls.CLONE_NEWNS)
            os.chdir(here)
            os.setgroups([0])  # as root has after a login

        with tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(
                [*self.program, *arguments, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
                preexec_fn=enter, env=_environment(),  # noqa: PLW1509 (there is one thread)
            )  # fmt: skip
            os.close(namespace)
            try:
                yield Running(process, errors.fileno(), command, self.seconds)
            finally:
                if process.returncode is None:
                    self._kill_all()
                    process.communicate()

    def run(self, *arguments: str, command: list[str]) -> Done:
        """Run the student's program to its end. Raises `Missing` for one with a hole in it."""
        with self.start(*arguments, command=command) as running:
            done = running.end()
        if hole := refusal(done):
            raise hole
        return done

    def keep(self, pid: int) -> None:
        """A process of the check's own, which may be left."""
        self._others.add(pid)

    def nothing_is_left(self) -> None:
        """Check that no process of the student's program goes on after it. Raises `Missing`."""
        if not eventually(lambda: not self._left(), 5.0):
            pid, words = self._left()[0]
            raise Missing(f"process {pid} ({words}) still runs after your program has ended: wait for it, or kill it")

    def _kill_all(self) -> None:
        """Kill whatever the student's program has started."""
        for pid in pids() - self._others:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _left(self) -> list[tuple[int, str]]:
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG) != (0, 0):  # orphans come to us
                continue
        return [(pid, read(f"/proc/{pid}/cmdline").replace("\0", " ").strip()) for pid in pids() - self._others]


def refusal(done: Done) -> Missing | None:
    """What to say of a program that stopped at a hole."""
    for line in done.errors.splitlines():
        if line.startswith(_HOLE):
            return Missing(f"{line.removeprefix(_HOLE)} is still open: look for it in your program")
    return None


def read(path: str) -> str:
    """A file's text; empty when it went away meanwhile, as files in /proc do."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def pids() -> set[int]:
    """All processes that there are."""
    return {int(name) for name in os.listdir("/proc") if name.isdigit()}


def status(pid: int) -> dict[str, str]:
    """/proc/PID/status as a table (proc_pid_status(5))."""
    return {
        name: value.strip()
        for name, _, value in (line.partition(":") for line in read(f"/proc/{pid}/status").splitlines())
    }


def namespace(pid: int | str, kind: str) -> str:
    """The name of the namespace of a process, such as mnt:[4026531841]; empty if the process is gone."""
    try:
        return os.readlink(f"/proc/{pid}/ns/{kind}")
    except OSError:
        return ""


def members(pid: int) -> set[int]:
    """All processes in the process namespace of `pid`."""
    wanted = namespace(pid, "pid")
    return {other for other in pids() if namespace(other, "pid") == wanted}


def first_of(pid: int) -> int:
    """PID 1 of the process namespace of `pid`."""
    for other in members(pid):
        if status(other).get("NSpid", "").split()[-1:] == ["1"]:
            return other
    return pid


def same_file(first: str, second: str) -> bool:
    """Whether two paths lead to the same file or directory; False if one of them leads nowhere."""
    try:
        return os.path.samestat(os.stat(first), os.stat(second))
    except OSError:
        return False


def eventually(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether `condition` comes true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL)
    return True


def inside(pid: int, look: Callable[[], str]) -> str:
    """What `look` returns when it is called in the mount namespace and the root directory of process `pid`, as root."""
    receiver, sender = os.pipe()
    mounts, root = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY), os.open(f"/proc/{pid}/root", os.O_PATH)
    child = os.fork()
    if child == 0:
        try:
            syscalls.setns(mounts, syscalls.CLONE_NEWNS)
            os.fchdir(root)
            os.chroot(".")
            os.write(sender, look().encode())
        finally:
            os._exit(0)
    for descriptor in (sender, mounts, root):
        os.close(descriptor)
    with open(receiver, encoding="utf-8") as answer:
        text = answer.read()
    os.waitpid(child, 0)
    return text


def escape() -> str:
    """Leave a chroot by a second one (chroot(2)); returns device and inode of the "/" that is reached."""
    os.makedirs("/way-out", exist_ok=True)
    os.chroot("/way-out")
    for _ in range(64):
        os.chdir("..")
    os.chroot(".")
    found = os.stat("/")
    return f"{found.st_dev}:{found.st_ino}"


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "LC_ALL": "C.UTF-8"}


def _share_mounts() -> int:
    """Start a process that does nothing, in a mount namespace whose mounts are shared with those made out of it."""
    receiver, sender = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            syscalls.unshare(syscalls.CLONE_NEWNS)
            syscalls.mount(None, "/", None, syscalls.MS_SHARED | syscalls.MS_REC)
            os.write(sender, b"x")
            signal.pause()
        finally:
            os._exit(1)
    os.close(sender)
    if not os.read(receiver, 1):
        sys.exit("the sandbox cannot be made: its first mount namespace failed")
    os.close(receiver)
    return pid
