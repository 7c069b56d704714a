"""The program that `private_python.py` executes.

    python -I -S private_python_main.py INTERPRETER PATH WORDS...

INTERPRETER is the descriptor of the Python that this runs from, PATH the caller's sys.path, WORDS the command line.
"""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    sys.path[:] = sys.argv[2].split(os.pathsep)
    from minidock.linux import interpreter
    from minidock.observe import step
    from minidock.oci import entry
    from minidock.oci.runc_command_line import parse

    entry.add_observers()
    with step("Forbid to execute this Python again", book="chapter 7, 2.1"):
        interpreter.forbid_execution(int(sys.argv[1]))
    entry.run(parse(sys.argv[3:]))
