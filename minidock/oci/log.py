"""Report failures: a line on standard error, and in the file of --log in runc's form, which engines read."""

from __future__ import annotations

import os
import sys
import time

from minidock import observe
from minidock.errors import UsageError, message_of, printable

TYPE_CHECKING = False  # typing is imported by type checkers only: it takes 4 ms
if TYPE_CHECKING:
    from typing import Any, NoReturn

_LONGEST = 4000  # characters of a message


class _To:
    """Where messages go, and which."""

    file, form, debug = "", "text", False


def begin(general: dict[str, Any]) -> None:
    """Take the global flags that say where and how."""
    _To.debug = bool(general.get("debug"))
    _To.file, _To.form = general.get("log", ""), general.get("log-format") or "text"
    if _To.form not in ("text", "json"):
        fail(UsageError(f"invalid log-format: {_To.form} (it is text or json)"))


def fail(error: BaseException, exit_code: int = 1) -> NoReturn:
    """Report an error in one line, and exit. For a defect of minidock, --debug adds the traceback."""
    message = printable(message_of(error), _LONGEST)
    if os.environ.get("MINIDOCK_DEBUG"):
        import traceback

        traceback.print_exception(error)
    write("error", message)
    if _To.file:
        print(message, file=sys.stderr)
    sys.stderr.flush()
    observe.end()
    os._exit(3 if getattr(error, "exit_code", 0) == 3 else exit_code)


def debug(message: str) -> None:
    """Report what is done, with --debug."""
    if _To.debug:
        write("debug", printable(message, _LONGEST))


def warn(message: str) -> None:
    """Report a warning."""
    write("warning", printable(message, _LONGEST))


def write(level: str, message: str) -> None:
    """One line: in the file if there is one, else on standard error."""
    import json

    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    if _To.form == "json":
        line = json.dumps({"level": level, "msg": message, "time": moment}) + "\n"
    elif _To.file or level == "debug":
        line = f"time={json.dumps(moment)} level={level} msg={json.dumps(message)}\n"
    else:
        line = f"{level.upper() if level != 'error' else 'minidock-oci'}: {message}\n"
    if not _To.file:
        sys.stderr.write(line)
        return
    try:
        fd = os.open(_To.file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        os.write(fd, line.encode(errors="replace"))
        os.close(fd)
    except OSError as error:
        sys.stderr.write(f"minidock-oci: --log {_To.file}: {os.strerror(error.errno or 0)}\n")
