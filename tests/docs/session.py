"""A page of the tour as a session in terminals: what is typed, and what has to be seen.

A page's blocks that begin with ```console are typed into a shell, in their order; ```console 2 goes to a second
terminal, which is a shell of its own. A line that begins with a prompt is typed, what follows it has to be shown:

    # hostname            at the host's prompt
    / # hostname          at a container's prompt

What differs from run to run is not compared: numbers of three and more digits, hexadecimal ids, how long ago something
was, how long it took (1.2s), how wide columns are. `...` stands for anything within a line, or, as a line of its own,
for any lines.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.engine.pty import Terminal

_FENCE = re.compile(r"^```(\w*) ?(.*)$")
_TYPED = re.compile(r"^((?:[/~]\S* )?# |> )(.*)$")
_BARE = re.compile(r"^(?:[/~]\S* )?#\s*$")  # a prompt at which nothing is typed yet
_PROMPT = r"(?:\A|[\r\n])(?:\x1b\[[0-9;?]*[a-zA-Z])*((?:[/~][\w./-]* )?[#>]) (?:\x1b\[6n)?\Z"
_VARIES = re.compile(
    r"\.\.\."
    r"|\b[0-9a-f]{64}\b|\b[0-9a-f]{12}\b"
    r"|\b(?:Less than a second|About an? \w+|\d+ (?:second|minute|hour|day)s?)\b"
    r"|\b\d+\.\ds|\d{3,}|\s+"
)


@dataclass
class Line:
    """One line that is typed: at which prompt, in which terminal, and what has to be shown after it."""

    number: int
    terminal: str
    command: str
    shown: list[str] = field(default_factory=list)


@dataclass
class Page:
    """A page's lines to type, and the marks of its blocks (`cgroup`)."""

    path: Path
    lines: list[Line]
    marks: set[str]


def read(path: Path) -> Page:
    """The sessions in a page of Markdown."""
    page = Page(path, [], set())
    inside, terminal = False, "1"
    for number, text in enumerate(path.read_text().splitlines(), 1):
        if fence := _FENCE.match(text):
            inside = fence[1] == "console"
            words = fence[2].split()
            terminal = next((word for word in words if word.isdigit()), "1")
            page.marks |= {word for word in words if not word.isdigit()}
        elif inside and (typed := _TYPED.match(text)):
            page.lines.append(Line(number, terminal, typed[2]))
        elif inside and not _BARE.match(text):
            page.lines[-1].shown.append(text)
    return page


def pattern(shown: list[str]) -> str:
    """A regular expression for what has to be seen."""
    parts = []
    for line in shown:
        if line.strip() == "...":
            parts.append(r"(?:.*\n)*?")
        else:
            parts.append(_line_pattern(line.rstrip()) + r"[ \t]*\n")
    return "".join(parts)


def _line_pattern(line: str) -> str:
    result, end = "", 0
    for match in _VARIES.finditer(line):
        result += re.escape(line[end : match.start()])
        text, end = match.group(), match.end()
        if text == "...":
            result += ".*?"
        elif text.isspace():
            result += r"\s*" if match.start() == 0 else r"[ \t]+"
        elif re.fullmatch(r"\d+\.\ds", text):
            result += r"\d+\.\ds"
        elif text.isdigit():
            result += r"\d+"
        elif re.fullmatch("[0-9a-f]+", text):
            result += r"[0-9a-f]+"
        else:
            result += r"(?:Less than a second|About an? \w+|\d+ \w+)"
    return result + re.escape(line[end:])


class Shells:
    """The terminals of one page, each with a shell, opened when first typed into.

    `patience`: seconds that a command may take.
    """

    def __init__(self, directory: Path, environment: Mapping[str, str], patience: float = 60) -> None:
        self.patience = patience
        self.directory = directory
        own = {"PS1": "# ", "PS2": "> ", "TERM": "dumb", "LC_ALL": "C.UTF-8", "HISTFILE": ""}
        self.environment = {**environment, **own}
        self.terminals: dict[str, Terminal] = {}

    def check(self, page: Page) -> None:
        """Type a page, and compare what is shown with what it says."""
        for line in page.lines:
            seen = self.type(line)
            wanted = pattern(line.shown)
            assert re.fullmatch(wanted, seen), (
                f"{page.path.name}:{line.number}: {line.command}\nshown:\n{seen}\nthe page says:\n"
                + "\n".join(line.shown)
            )

    def type(self, line: Line) -> str:
        """Type one line, wait for the next prompt; returns what was shown in between."""
        terminal = self.terminals.get(line.terminal) or self._open(line.terminal)
        terminal.type(line.command + "\n")
        start = terminal._read
        terminal.expect(r"\r")  # the echo of what was typed ends
        terminal.expect(_PROMPT, timeout=self.patience)
        seen = terminal.seen[start : terminal._read].decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n")
        seen = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", seen)
        return seen.split("\n", 1)[1].rpartition("\n")[0] + "\n" if seen.count("\n") > 1 else ""

    def _open(self, name: str) -> Terminal:
        command = ["bash", "--norc", "--noprofile", "--noediting"]
        terminal = Terminal(["env", "-C", str(self.directory), *command], self.environment, rows=50, columns=160)
        self.terminals[name] = terminal
        terminal.expect(_PROMPT)
        return terminal

    def close(self) -> None:
        """End the shells and what they run."""
        for terminal in self.terminals.values():
            terminal.close()


def environment(base: Mapping[str, str], program: Path) -> dict[str, str]:
    """What a student's shell has: minidock on the PATH, and the directories of root's programs."""
    path = f"{program.parent}:{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    return {**base, "PATH": path}
