#!/usr/bin/env python3
"""Stage 1: run a program: fork, exec, wait.

    python3 stage1.py COMMAND [ARGUMENT...]

Ends as the command ends: with its exit code, 128 and the number of the signal that killed it, 127 if there is no such
program, 126 if it cannot be executed.
"""

import os
import signal
import sys


def execute(command):
    """Become `command`: the same process, another program. Never returns."""
    # [hole] Reset SIGPIPE (Python ignores it, and exec keeps that), exec, and leave with 127 or 126 if that fails.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr, flush=True)
        os._exit(127 if isinstance(error, FileNotFoundError) else 126)  # this is a copy: never back into main
    # [end]


def exit_code(status):
    """What a shell would say of a process that ended with `status` (wait(2))."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def main():
    # [hole] Fork. In the child, execute the command; in the parent, wait for it and exit with its exit code.
    child = os.fork()
    if child == 0:
        execute(sys.argv[1:])
    _, status = os.waitpid(child, 0)
    sys.exit(exit_code(status))
    # [end]


if __name__ == "__main__":
    main()
