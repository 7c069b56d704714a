"""Check a student's program: run it in a sandbox, and look with the kernel's eyes at what it has made."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Callable, Sequence

from minidock.course import sandbox
from minidock.course.bench import Bench
from minidock.course.course_stages import Stage
from minidock.course.missing import Missing
from minidock.errors import MinidockError, UsageError
from minidock.linux import syscalls

_RUNS = 20  # how many times a check runs the program, at most
ROOTFS = f"{sandbox.WORK}/rootfs"


def check(stage: Stage, program: str, layers: Sequence[str], seconds: float) -> int:
    """Check `program`, a path, against `stage`; returns the exit code: 0, or 1 if something is missing.

    `layers`: the directories of an image, the bottom one first, which are copied. `seconds`: how long each run of the
    program may take. Raises `MinidockError` if nothing can be checked.
    """
    if not os.path.isfile(program):
        raise UsageError(f"there is no program {program}: minidock course start {stage.number}")
    with open(program, "rb") as file:
        text = file.read()
    trees = [os.open(layer, syscalls.O_PATH | os.O_DIRECTORY) for layer in layers]
    print(f"stage {stage.number}: {stage.title}")
    print("your program runs in a sandbox: namespaces of its own, this machine's files read-only, a time limit")

    def task() -> int:
        return _check_inside(stage, program, text, trees, seconds)

    try:
        code = sandbox.run(task, seconds * _RUNS)
    finally:
        for tree in trees:
            os.close(tree)
    if code is None:
        print(f"missing: an end: after {seconds * _RUNS:.0f} seconds everything was killed", file=sys.stderr)
        return 1
    if code > 1:
        raise MinidockError(f"the check itself ended with {code}")
    return code


def _check_inside(stage: Stage, program: str, text: bytes, trees: Sequence[int], seconds: float) -> int:
    """The check, in the sandbox."""
    path = os.path.abspath(program)
    if not os.path.exists(path):  # below a directory that is empty in here
        path = os.path.join(sandbox.WORK, os.path.basename(path))
        with open(path, "wb") as file:
            file.write(text)
        os.chmod(path, 0o755)
    for number, tree in enumerate(trees):
        _copy(f"/proc/self/fd/{tree}", ROOTFS, tree)
        assert number < len(trees)
    bench = Bench(_words(path), ROOTFS if trees else "", seconds, lambda line: print(line, flush=True))
    look: Callable[[Bench], None] = importlib.import_module(f"minidock.course.checks.{stage.check}").check
    try:
        look(bench)
    except Missing as missing:
        print(f"missing: {missing}", file=sys.stderr, flush=True)
        return 1
    rest = f", as far as this machine can show ({bench.skipped} skipped)" if bench.skipped else ""
    print(f"stage {stage.number} is done{rest}")
    return 0


def _words(path: str) -> list[str]:
    """How to start the program: Python's by the Python that we have, which has pyroute2 and prctl."""
    return [sys.executable, path] if path.endswith(".py") or not os.access(path, os.X_OK) else [path]


def _copy(source: str, target: str, descriptor: int) -> None:
    os.makedirs(target, exist_ok=True)
    subprocess.run(["cp", "-a", f"{source}/.", target], check=True, pass_fds=[descriptor])
