"""The program that a command is which makes a container or enters one: run from a Python of its own.

    python -I -S private.py INTERPRETER PATH WORDS...

INTERPRETER is the descriptor of the Python that this runs from, PATH the caller's sys.path, WORDS the command line.
"""

from __future__ import annotations

import os
import sys
from typing import NoReturn


def begin_again(words: list[str]) -> NoReturn:
    """Become that program."""
    from minidock.linux import interpreter

    fd = interpreter.open_private_mount()
    environment = dict(os.environ)
    interpreter.execute(fd, [*interpreter.ALONE, __file__, str(fd), os.pathsep.join(sys.path), *words], environment)


if __name__ == "__main__":
    sys.path[:] = sys.argv[2].split(os.pathsep)
    from minidock.linux import interpreter
    from minidock.oci import entry
    from minidock.oci.command_line import parse

    interpreter.forbid_execution(int(sys.argv[1]))
    entry.run(parse(sys.argv[3:]))
