"""What an attacker inside does to whoever comes in: run by the host's Python in a container, /proc as descriptor 3.

    python tracer.py USER TERCES CAUGHT     until it has caught so many of the runtime's processes, or its input ends

If CAUGHT is 0, none that it has caught is ever let go.

TERCES is a secret of the host's, backwards: these words themselves are known to the runtime.

It seizes every process (ptrace(2)) before that has a chance to become its program, and looks at all that /proc tells of
it. What was found is a line of JSON for each process of the runtime's that was caught.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import sys

PROC = 3
SEIZE, INTERRUPT, DETACH, WALL = 0x4206, 0x4207, 17, 0x40000000
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long] * 4


def read(name: str) -> bytes:
    try:
        with open(os.open(name, os.O_RDONLY, dir_fd=PROC), "rb") as file:
            return file.read()
    except OSError as error:
        return str(error).encode()


def names(name: str) -> list[str]:
    try:
        fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=PROC)
    except OSError:
        return []
    try:
        return os.listdir(fd)
    finally:
        os.close(fd)


def links(pid: int) -> list[str]:
    """Where its descriptors lead, but for pipes, sockets and what the container has itself."""
    found = []
    for fd in names(f"{pid}/fd"):
        try:
            found.append(os.readlink(f"{pid}/fd/{fd}", dir_fd=PROC))
        except OSError:
            continue
    return [link for link in found if not link.startswith(("pipe:", "socket:", "/dev/null", "/dev/pts/"))]


def memory(pid: int, secret: bytes) -> bool:
    """Whether the secret is anywhere in its memory."""
    try:
        file = os.open(f"{pid}/mem", os.O_RDONLY, dir_fd=PROC)
    except OSError:
        return False
    for line in read(f"{pid}/maps").splitlines():
        area, mode, *_ = line.split()
        start, end = (int(word, 16) for word in area.split(b"-"))
        if mode.startswith(b"rw"):
            try:
                if secret in os.pread(file, end - start, start):
                    return True
            except OSError:
                continue
    os.close(file)
    return False


def status(pid: int | str) -> dict[str, str]:
    rows = (line.split(b":", 1) for line in read(f"{pid}/status").splitlines() if b":" in line)
    return {name.decode(): value.strip().decode() for name, value in rows}


def root(pid: int) -> str:
    """Whose its root directory is; ours is the host's, and what descriptor PROC is below, the attacked container's."""
    its = os.stat(f"{pid}/root/", dir_fd=PROC)
    if os.path.samestat(its, os.stat("/")):
        return "the host's"
    return "the attacker's" if os.path.samestat(its, os.stat("..", dir_fd=PROC)) else "another"


def exe(pid: int) -> str:
    """How its executable can be opened again: "read-only", "no such thing", or with what it can be written."""
    try:
        fd = os.open(f"{pid}/exe", os.O_PATH, dir_fd=PROC)
    except OSError:
        return "no such thing"
    try:
        return "read-only" if os.fstatvfs(fd).f_flag & os.ST_RDONLY else "writable"
    finally:
        os.close(fd)


def look(pid: int, secret: bytes) -> dict[str, object] | None:
    """A process that stands still, if it is one of the runtime's."""
    if b"python" not in read(f"{pid}/maps"):
        return None
    words = read(f"{pid}/cmdline") + read(f"{pid}/environ")
    of_it = status(pid)
    return {"root": root(pid), "words": words.strip(b"\0").decode(),
            "files": links(pid), "secret": memory(pid, secret), "caps": of_it["CapPrm"], "bounding": of_it["CapBnd"],
            "filter": of_it["Seccomp"], "exe": exe(pid)}  # fmt: skip


def main() -> None:
    hold = sys.argv[3] == "0"
    secret, wanted = sys.argv[2][::-1].encode(), int(sys.argv[3]) or -1
    os.setresuid(*[int(sys.argv[1])] * 3)
    print("ready", flush=True)
    last = max(map(int, filter(str.isdigit, names("."))))
    while wanted and not select.select([0], [], [], 0)[0]:
        for _ in range(2000):  # numbers are given in order: whoever comes next is seized as it is born
            for pid in range(last + 1, last + 5):
                if libc.ptrace(SEIZE, pid, 0, 0) == 0:
                    libc.ptrace(INTERRUPT, pid, 0, 0)
                    os.waitpid(pid, WALL)
                    found = look(pid, secret)
                    if found:
                        wanted -= 1
                        print(json.dumps(found), flush=True)
                    if not hold:
                        libc.ptrace(DETACH, pid, 0, 0)
                    last = pid
                elif ctypes.get_errno() != 3:  # not ESRCH: there is one, and we may not
                    last = pid


if __name__ == "__main__":
    main()
