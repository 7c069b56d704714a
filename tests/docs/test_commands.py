"""Commands that stand in the pages outside of sessions: synopses, and what is typed in a checkout.

Those of minidock are run. A target of make sets up or tests a whole machine, and pytest would run the tests inside of
themselves: of these it is looked up that they are there. Sessions are typed by test_tour.py.
"""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.containers import eventually
from tests.support.command import Minidock

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")), *sorted(ROOT.glob("docs/tour/*.md"))]
_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"^    ((?:sudo |minidock ).*)$", re.MULTILINE)
_INLINE = re.compile(r"`((?:sudo |minidock |make |python3? )[^`]+)`")
# What the capital letters and dots of a synopsis stand for.
_MEANT = {"CONTAINER": "web", "IMAGE": "alpine", "FILE": "/etc/os-release", "...": "--rm alpine true"}
# Commands that go on until Ctrl-C, with what they print first.
_ENDLESS = {"xray --serve": b"http://127.0.0.1", "system service": b"docker.sock"}
_ONLY_A_NAME = 2  # words: `minidock run` in a sentence is the command's name


def commands() -> list[tuple[str, str]]:
    """(page, command) of all that can be typed as it stands, each once."""
    found = {}
    for page in PAGES:
        text = _FENCED.sub("", page.read_text())
        typed = [re.split(r" {2,}|\s#", line)[0] for line in _INDENTED.findall(text)]
        typed += [line for line in _INLINE.findall(text) if line.startswith("make") or len(line.split()) > _ONLY_A_NAME]
        found |= {line.removeprefix("sudo "): page.name for line in typed}
    return [(page, line) for line, page in found.items()]


COMMANDS = commands()
OURS = [pytest.param(page, line, id=line) for page, line in COMMANDS if line.startswith("minidock ")]


@pytest.fixture(scope="module")
def web(engine: Minidock) -> Iterator[Minidock]:
    """A machine as in the pages: with a network card, and a container called web."""
    subprocess.run(["ip", "link", "add", "eth0", "type", "bridge"], check=True)
    assert engine("run", "-d", "--name", "web", "--network", "none", "alpine", "sleep", "1000").returncode == 0
    try:
        yield engine
    finally:
        engine("rm", "-f", *engine("ps", "-aq").stdout.decode().split())
        engine("network", "prune", "-f")
        subprocess.run(["ip", "link", "delete", "eth0"], check=True)


@pytest.mark.parametrize(("page", "line"), OURS)
def test_ours_are_run(web: Minidock, page: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Dockerfile").write_text("FROM alpine\nENV A=1\n")
    (tmp_path / "compose.yaml").write_text("services: {one: {image: alpine, command: 'true', network_mode: none}}\n")
    if line.startswith("minidock compose"):
        line = line.replace("...", "config")
    words = [part for word in line.removesuffix(" &").split()[1:] for part in _MEANT.get(word, word).split()]
    if words[0] == "build":
        words.append(".")
    if first := [text for endless, text in _ENDLESS.items() if " ".join(words).startswith(endless)]:
        with web.start(*words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
            assert process.stdout
            assert first[0] in process.stdout.readline()
            process.send_signal(signal.SIGINT)
            eventually(lambda: process.poll() is not None)
        return
    done = web(*words)
    assert done.returncode == 0, f"{page}: {line}: {done.stderr.decode()}"


def test_the_others_name_what_is_there() -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for page, line in COMMANDS:
        words = shlex.split(line)
        if words[0] == "make":
            assert words[1] in targets, f"{page}: {line}"
        elif words[0] != "minidock":
            paths = [word for word in words if "/" in word and not word.startswith(".venv")]
            assert all((ROOT / path).exists() for path in paths), f"{page}: {line}"
            if "-k" in words:
                name = words[words.index("-k") + 1]
                texts = [file.read_text() for path in paths for file in (ROOT / path).glob("test_*.py")]
                assert any(re.search(rf"def test_\w*{name}", text) for text in texts), f"{page}: {line}"
