"""Enter the working directory, find the program's file and execute it (book, chapter 1, 3.4; execve(2)).

Errors have the shell's exit codes, which are docker's too: 127 if there is no such program, 126 if it cannot be
executed.
"""

from __future__ import annotations

import os
import stat
from typing import Any

from minidock.errors import EXIT_CANNOT_EXECUTE, EXIT_NOT_FOUND, SetupError
from minidock.linux import syscalls


def find(process: dict[str, Any]) -> str:
    """The file of the program `args[0]`: that path if it has a slash, otherwise the first in the container's PATH."""
    name = process["args"][0]
    for candidate in [name] if "/" in name else _in_path(name, process.get("env") or []):
        try:
            mode = os.stat(candidate).st_mode
        except (FileNotFoundError, NotADirectoryError):
            continue
        except PermissionError:
            if "/" in name:
                raise
            continue
        if stat.S_ISREG(mode) and mode & 0o111:
            return candidate
        if "/" in name:
            why = "is a directory" if stat.S_ISDIR(mode) else "permission denied"
            raise SetupError(f'exec: "{name}": {why}', exit_code=EXIT_CANNOT_EXECUTE)
    why = "no such file or directory" if "/" in name else "executable file not found in $PATH"
    raise SetupError(f'exec: "{name}": {why}', exit_code=EXIT_NOT_FOUND)


def _in_path(name: str, environment: list[str]) -> list[str]:
    path = next((entry[5:] for entry in environment if entry.startswith("PATH=")), "")
    return [os.path.join(directory or ".", name) for directory in path.split(":")] if name else []


def execute(program: str, arguments: list[str], environment: dict[str, str]) -> None:
    """execve(2). Raises `SetupError`: exit code 126 for a file that cannot be executed, 127 for a missing interpreter
    ("#!").
    """
    try:
        syscalls.execve(program, arguments, environment)
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        why = os.strerror(error.errno or 0).lower()
        exit_code = EXIT_NOT_FOUND if missing else EXIT_CANNOT_EXECUTE
        raise SetupError(f'exec: "{arguments[0]}": {why}', exit_code=exit_code) from error


def enter_working_directory(path: str) -> None:
    """chdir(2), and a check that it did not lead to a directory of the host through a leaked descriptor
    (CVE-2024-21626).
    """
    try:
        syscalls.chdir(path)
    except OSError as error:
        raise SetupError(f"the working directory {path}: {os.strerror(error.errno or 0)}") from error
    try:
        os.getcwd()
    except FileNotFoundError:  # getcwd(3), ENOENT: the path begins with "(unreachable)"
        raise SetupError(f"the working directory {path} is outside of the container") from None
