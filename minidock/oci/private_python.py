"""Run a command that creates a container, or enters one, from a private Python (`linux/interpreter.py`)."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # typing is imported by type checkers only: it takes 4 ms
if TYPE_CHECKING:
    from typing import NoReturn

_PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "private_python_main.py")


def begin_again(words: list[str]) -> NoReturn:
    """Execute `private_python_main.py`, which runs the command line `words`."""
    from minidock import observe
    from minidock.linux import interpreter

    environment = dict(os.environ)
    with observe.step("Execute a new Python", book="chapter 7, 2.1"):
        fd = interpreter.open_private_mount()
        for observer in observe.observers:
            environment |= observer.pass_on()
        interpreter.execute(fd, [*interpreter.ALONE, _PROGRAM, str(fd), os.pathsep.join(sys.path), *words], environment)
