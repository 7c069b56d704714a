#!/usr/bin/env python3
"""Stage 2: run a program in another root directory: chroot.

    python3 stage2.py ROOTFS COMMAND [ARGUMENT...]

The command is looked for inside.
"""

import os
import signal
import sys
import warnings  # noqa: F401 (os.execvpe imports it, and would look for it inside)

ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "TERM": "xterm"}


def enter(rootfs):
    """Make the directory `rootfs` this process's "/"."""
    # [hole] Change the root directory, and the working directory, which is a second way to files.
    os.chroot(rootfs)
    os.chdir("/")
    # [end]


def execute(command):
    """Become `command`: the same process, another program. Never returns."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        os.execvpe(command[0], command, ENVIRONMENT)
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr, flush=True)
        os._exit(127 if isinstance(error, FileNotFoundError) else 126)  # this is a copy: never back into main


def exit_code(status):
    """What a shell would say of a process that ended with `status` (wait(2))."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def main():
    rootfs, *command = sys.argv[1:]
    child = os.fork()
    if child == 0:
        enter(rootfs)
        execute(command)
    _, status = os.waitpid(child, 0)
    sys.exit(exit_code(status))


if __name__ == "__main__":
    main()
