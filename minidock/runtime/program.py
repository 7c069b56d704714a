"""Which file is the program, and the call that becomes it (book 3.4; execve(2)).

What goes wrong here has the shell's exit codes, which are docker's too: 127 if there is no such program, 126 if there
is one that cannot be run.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import Any

from minidock.errors import EXIT_CANNOT_EXECUTE, EXIT_NOT_FOUND, SetupError
from minidock.linux import syscalls

# execve(2), "Interpreter scripts": how much of a script's first line counts, and how many scripts may be in a row.
_FIRST_LINE = 256
_MOST_SCRIPTS = 5

# The host's own Python, by what it is: inside, /proc/self/exe is what the container makes of it, or missing.
_OURSELVES = os.stat("/proc/self/exe")


def find(process: dict[str, Any]) -> str:
    """The file that `args[0]` means: itself if it has a slash, otherwise the first in the container's PATH."""
    name = process["args"][0]
    unusable = ""
    for candidate in [name] if "/" in name else _in_path(name, process.get("env") or []):
        try:
            mode = os.stat(candidate).st_mode
        except (FileNotFoundError, NotADirectoryError):
            continue
        if stat.S_ISREG(mode) and mode & 0o111:
            return not_ourselves(candidate)
        unusable = unusable or ("is a directory" if stat.S_ISDIR(mode) and "/" in name else "permission denied")
    if unusable:
        raise SetupError(f'exec: "{name}": {unusable}', exit_code=EXIT_CANNOT_EXECUTE)
    why = "no such file or directory" if "/" in name else "executable file not found in $PATH"
    raise SetupError(f'exec: "{name}": {why}', exit_code=EXIT_NOT_FOUND)


def _in_path(name: str, environment: list[str]) -> list[str]:
    path = next((entry[5:] for entry in environment if entry.startswith("PATH=")), "")
    return [os.path.join(directory or ".", name) for directory in path.split(":")] if name else []


def not_ourselves(program: str) -> str:
    """`program`, unless it is /proc/self/exe by any other name, or a script whose interpreter is.

    Until execve that link means the host's own Python. Run as the container's program, it could be opened from inside
    and, when it has ended, be overwritten: the next minidock would be the attacker's (CVE-2019-5736).
    """
    file = program
    for _ in range(_MOST_SCRIPTS):
        if os.path.exists(file) and os.path.samestat(os.stat(file), _OURSELVES) and _through_magic_link(file):
            raise SetupError(f'exec: "{program}": is the runtime itself', exit_code=EXIT_CANNOT_EXECUTE)
        file = _interpreter(file)
    return program


def _through_magic_link(path: str) -> bool:
    """Whether the way to `path` leads over one of /proc's links that are none (symlink(7), "Magic links").

    If it does not, a user has shown the container the host's Python on purpose.
    """
    try:
        os.close(syscalls.openat2(syscalls.AT_FDCWD, path, syscalls.O_PATH, resolve=syscalls.RESOLVE_NO_MAGICLINKS))
    except OSError as error:
        return error.errno == errno.ELOOP
    return False


def _interpreter(path: str) -> str:
    """The interpreter that a script's first line names after "#!", or ''."""
    if not os.path.isfile(path):
        return ""
    with open(path, "rb") as file:
        mark, _, line = file.read(_FIRST_LINE).partition(b"\n")[0].partition(b"#!")
    words = line.split(maxsplit=1)
    return os.fsdecode(words[0]) if words and not mark else ""


def execute(program: str, arguments: list[str], environment: dict[str, str]) -> None:
    """execve(2). A file that is there but cannot be run is 126, an interpreter ("#!") that is not there 127."""
    try:
        syscalls.execve(program, arguments, environment)
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        why = os.strerror(error.errno or 0).lower()
        exit_code = EXIT_NOT_FOUND if missing else EXIT_CANNOT_EXECUTE
        raise SetupError(f'exec: "{arguments[0]}": {why}', exit_code=exit_code) from error
