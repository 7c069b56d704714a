"""Man pages: one for each command, with all that its help has."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from minidock.cli.commands import COMMANDS, NOUNS
from tests.support.command import Minidock


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("pages") / "man"
    command = [sys.executable, "-m", "minidock.cli.man_pages", directory]
    subprocess.run(command, check=True, timeout=60, env={**os.environ, "SOURCE_DATE_EPOCH": "0"})
    return directory


def test_each_command_has_one(pages: Path) -> None:
    names = {f"minidock-{command}.1" for command in COMMANDS} | {f"minidock-{noun}.1" for noun in NOUNS}
    names |= {f"minidock-{noun}-{command}.1" for noun, (table, _) in NOUNS.items() for command in table}
    assert {path.name for path in pages.iterdir()} == {"minidock.1", *names}


@pytest.mark.parametrize("command", ["run", "network create", "build", "ps"])
def test_a_page_has_each_flag_of_the_help(pages: Path, minidock: Minidock, command: str) -> None:
    shown = minidock(*command.split(), "--help").stdout.decode()
    flags = set(re.findall(r"^  (?:-\w, )?(--[\w-]+)", shown, re.MULTILINE)) - {"--help"}
    page = (pages / f"minidock-{command.replace(' ', '-')}.1").read_text().replace(r"\-", "-")
    assert {flag for flag in flags if flag not in page} == set()
    assert len(flags) > 3
    assert "1970-01-01" in page


def test_what_each_is_for_stands_in_its_first_line_and_in_the_overview(pages: Path) -> None:
    for command, (_, _, line) in COMMANDS.items():
        assert rf"minidock\-{command} \- {line}" in (pages / f"minidock-{command}.1").read_text()
        assert line in (pages / "minidock.1").read_text()
