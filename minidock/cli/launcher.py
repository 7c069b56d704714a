"""Write the installed programs anew, so that Python starts without what they do not need.

    python -I -m minidock.cli.launcher      writes minidock and minidock-oci beside this Python

What pip writes lets Python import `site`, which reads the environment's settings and each of its .pth files: 4 ms, in
every command. With -I and -S, the program itself says where modules are. `make setup` and `make install` call this; who
installs with pip alone has pip's own programs, which do the same a little later.
"""

from __future__ import annotations

import os
import sys

_PROGRAMS = {"minidock": "minidock.cli.entry", "minidock-oci": "minidock.cli.oci_program"}
_LONGEST = 255  # bytes of a program's first line that the kernel reads (execve(2))
_TEXT = """\
#!{python} -IS
# Written by minidock/cli/launcher.py: Python without `site`.
import sys

sys.path += {path}
sys.prefix = sys.exec_prefix = {prefix}
from {module} import main

main()
"""


def write_programs() -> None:
    """Write those programs that pip has installed. Leaves pip's where the kernel could not read the first line."""
    directory = os.path.dirname(sys.executable)
    if " " in sys.executable or len(sys.executable) + len("#! -IS") > _LONGEST:
        return
    standard = os.path.dirname(os.__file__)
    path = [place for place in sys.path if not _is_standard(place, standard)]
    for name, module in _PROGRAMS.items():
        program = os.path.join(directory, name)
        if not os.path.exists(program):
            continue
        text = _TEXT.format(python=sys.executable, path=path, prefix=repr(sys.prefix), module=module)
        with open(f"{program}.new", "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(f"{program}.new", 0o755)
        os.replace(f"{program}.new", program)


def _is_standard(place: str, standard: str) -> bool:
    """Whether Python looks there without `site`: its library, that library's modules in C, and an archive of it."""
    return place in (standard, os.path.join(standard, "lib-dynload")) or place.endswith(".zip")


if __name__ == "__main__":
    write_programs()
