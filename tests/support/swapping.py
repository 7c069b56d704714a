"""Somebody who exchanges two paths all the time, as a program in another container may (renameat2(2))."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PROGRAM = """
import ctypes, sys
renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
one, other = (path.encode() for path in sys.argv[1:])
if renameat2(-100, one, -100, other, 2):
    sys.exit(f"renameat2: errno {ctypes.get_errno()}")
print("begun", flush=True)
while True:
    renameat2(-100, one, -100, other, 2)
"""


@contextmanager
def exchanging(one: Path, other: Path) -> Iterator[None]:
    """Exchange two paths, as often as the machine can, until the block ends."""
    swapper = subprocess.Popen([sys.executable, "-I", "-S", "-c", _PROGRAM, one, other], stdout=subprocess.PIPE)
    with swapper:
        try:
            assert swapper.stdout is not None
            assert swapper.stdout.readline() == b"begun\n"
            yield
        finally:
            swapper.kill()
