"""docs/rootless.md: its sessions are typed, by root, and where the prompt is $ by an ordinary user."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs import session
from tests.engine.pty import Terminal
from tests.engine.test_rootless import UID, User, pytestmark, user
from tests.engine.test_userns import idmapped_mounts
from tests.support.command import Minidock

__all__ = ["idmapped_mounts", "pytestmark", "user"]
PAGE = Path(__file__).parents[2] / "docs/rootless.md"
USERS = "2"  # his terminal


class Shells(session.Shells):
    """Root's, and the user's."""

    def __init__(self, directory: Path, environment: dict[str, str], user: User) -> None:
        super().__init__(directory, environment)
        self.user = user

    def _open(self, name: str) -> Terminal:
        if name != USERS:
            return super()._open(name)
        program = self.user.place / "home" / "minidock"
        program.write_text('#!/bin/sh\nexec python3 -m minidock "$@"\n')
        program.chmod(0o755)
        own = {"PS1": "# ", "PS2": "> ", "TERM": "dumb", "HISTFILE": ""}
        path = f"{program.parent}:{self.user.environment['PATH']}"
        drop = ["setpriv", "--reuid", str(UID), "--regid", str(UID), "--clear-groups"]
        command = ["env", "-C", str(program.parent), *drop, "bash", "--norc", "--noprofile", "--noediting"]
        terminal = Terminal(command, {**self.user.environment, **own, "PATH": path}, rows=50, columns=160)
        self.terminals[name] = terminal
        terminal.expect(session._PROMPT)
        return terminal


@pytest.fixture
def with_ids(user: User) -> User:
    for name in ("subuid", "subgid"):
        with open(user.place / name, "a", encoding="ascii") as file:
            file.write("containers:2000000:1000000\ndockremap:300000:65536\n")
    return user


@pytest.mark.usefixtures("idmapped_mounts")
def test_the_page_shows_what_happens(engine: Minidock, with_ids: User, tmp_path: Path) -> None:
    with_ids.ok("load", input=engine("save", "alpine").stdout)
    copy = tmp_path / "page.md"
    copy.write_text(re.sub(r"^\$ ", "# ", PAGE.read_text(), flags=re.MULTILINE))
    page = session.read(copy)
    shells = Shells(tmp_path, session.environment(engine.environment, Path(engine.program[0])), with_ids)
    try:
        for line in page.lines:
            seen = shells.type(line)
            assert re.fullmatch(session.pattern(line.shown), seen), f"{line.number}: {line.command}\nshown:\n{seen}"
    finally:
        shells.close()
        if left := engine("ps", "-a", "-q").stdout.decode().split():
            engine("rm", "-f", *left)
