"""`minidock-oci`, and `minidock oci`: the runtime's own command line (`oci/entry.py`), which can explain itself.

    MINIDOCK_EXPLAIN=[STYLE:]FILE    each command appends what it does in the kernel, as `run --explain` tells it

Engines pass their environment on to the runtime. STYLE is full, brief or json. The process that writes goes on after
`create` until the container's program runs: from the gate to its execve, the container's first process tells the rest.
"""

from __future__ import annotations

import os
import sys

from minidock.errors import UsageError
from minidock.oci import entry, runc_command_line

VARIABLE = "MINIDOCK_EXPLAIN"
_STYLES = ("full", "brief", "json")
_OTHERS = ("step", "shell")  # styles of --explain that need one command and one terminal
_CHANGING = {"create", "start", "run", "kill", "delete", "exec", "pause", "resume", "update"}  # the others only look


def main() -> None:
    """The program `minidock-oci`."""
    run(sys.argv[1:])


def run(words: list[str]) -> None:
    """Run the command line `words`, and end."""
    if asked := os.environ.get(VARIABLE):
        try:
            _explain(asked, words)
        except OSError as error:
            print(f"minidock-oci: {VARIABLE}={asked}: {os.strerror(error.errno or 0)}", file=sys.stderr)
            sys.exit(1)
    entry.main(words)


def _explain(asked: str, words: list[str]) -> None:
    """Begin to record, if there will be anything to tell. Raises `OSError` for a file that cannot be written."""
    try:
        parsed = runc_command_line.parse(words)
    except UsageError:
        return  # `entry.main` will say so
    if parsed.command not in _CHANGING:
        return
    style, colon, file = asked.partition(":")
    if colon and style in _OTHERS:
        print(f"minidock-oci: {VARIABLE}={asked}: the style is one of {', '.join(_STYLES)}", file=sys.stderr)
        sys.exit(1)
    if not colon or style not in _STYLES:
        style, file = "full", asked
    file = os.path.abspath(file)
    fd = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    os.write(fd, _heading(style, words, parsed).encode(errors="backslashreplace"))
    os.close(fd)
    from minidock.explain.trace import trace_process

    trace_process.start(stepping=False, apart=True).choose(style, file)


def _heading(style: str, words: list[str], parsed: runc_command_line.Words) -> str:
    """Which command the following lines are of: without its flags, of which engines have many."""
    if style == "json":
        import json

        return json.dumps({"event": "command", "words": words, "pid": os.getpid()}) + "\n"
    import shlex

    before = "" if style == "brief" else "\n"
    return f"{before}== {shlex.join([parsed.command, *parsed.arguments])}  (pid {os.getpid()})\n"
