"""Progress on a terminal: steps that are drawn in place, in what room there is."""

from __future__ import annotations

import re

from tests.build.conftest import Context
from tests.engine.pty import Terminal


def test_a_terminal(context: Context) -> None:
    wait = "echo begun; while [ ! -e /c/go ]; do sleep 0.1; done; printf 'a\\rb\\033[31mred'"
    dockerfile = f"FROM alpine\nRUN --mount=type=cache,id={context.name},target=/c {wait}\nRUN true\n"
    context.write("Dockerfile", dockerfile)
    command = [*context.minidock.program, "build", "-t", context.name, str(context.path)]
    terminal = Terminal(command, context.minidock.environment, rows=24, columns=80)
    try:
        terminal.expect(r"\[\+\] Building \d+\.\ds \(1/3\)")
        terminal.expect(r" => => # \d\.\d{3} begun")
        terminal.expect(r"\[\+\] Building [1-9]\d*\.\ds \(1/3\)")  # time goes by while nothing is said
        _mount(context, "go")
        terminal.expect(r" => exporting to image +0\.0s")
        terminal.expect(r"naming to docker.io/library/")
        assert terminal.wait() == 0
    finally:
        terminal.close()
    seen = terminal.seen.decode()
    assert "\x1b[31mred" not in seen
    frame = re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", seen.rpartition("[+] Building")[2]).splitlines()
    assert frame[0].endswith("(4/4) FINISHED")
    steps = [line.strip() for line in frame if line.startswith(" => [")]
    assert [line[:22] for line in steps] == [
        "=> [stage-0 1/3] FROM ",
        "=> [stage-0 2/3] RUN -",
        "=> [stage-0 3/3] RUN t",
    ]
    assert all(len(line) <= 80 for line in frame)


def _mount(context: Context, name: str) -> None:
    """Write a file into the cache mount of the build that is running."""
    for mount in (context.minidock.root / "build" / "mounts").iterdir():
        if context.name in (mount / "mount.json").read_text():
            (mount / "content" / name).write_text("")


def test_a_terminal_is_wanted_and_not_there(context: Context) -> None:
    assert "failed to get console" in context.refused("FROM alpine\n", "--progress", "tty")
