"""The application of examples/: brought up by one command, used through its page in a real browser, light and dark."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.explain.browser import Browser, browser
from tests.support.examples import Examples

pytestmark = [pytest.mark.interop, pytest.mark.timeout(1200)]

PORT = "18080"
ADDRESS = f"http://localhost:{PORT}"
WIDER = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
# The smallest contrast of a text with what is behind it (WCAG 2.2, 1.4.3: at least 4.5).
CONTRAST = """
const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
const light = (colour) => { const [r, g, b] = numbers(colour).map((part) => part / 255)
  .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
const behind = (element) => { const colour = getComputedStyle(element).backgroundColor;
  return numbers(colour)[3] === 0 && element.parentElement ? behind(element.parentElement) : colour; };
return Math.min(...[...document.querySelectorAll("h1, h2, p, label, legend, input, button, dt, dd, th, td, a")]
  .map((element) => { const both = [light(getComputedStyle(element).color), light(behind(element))].sort();
    return (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05); }));
"""
FILL = """
const form = document.querySelector("form");
for (const [name, value] of Object.entries(arguments[0])) form.elements[name].value = value;
form.querySelector("button").click();
"""


class Project:
    """The project in a copy of examples/application."""

    def __init__(self, examples: Examples, directory: Path) -> None:
        examples.lay(directory, "cd examples/application")
        self.engine = examples.engine
        self.directory = directory / "examples" / "application"

    def compose(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([*self.engine.program, "compose", *words], cwd=self.directory, capture_output=True,
                              check=False, env={**self.engine.environment, "PORT": PORT}, timeout=400)  # fmt: skip


@pytest.fixture
def project(examples: Examples, tmp_path: Path) -> Iterator[Project]:
    made = Project(examples, tmp_path)
    try:
        done = made.compose("up", "-d", "--build", "--wait", "--scale", "calculator=3")
        assert done.returncode == 0, done.stderr.decode()
        yield made
    finally:
        made.compose("down", "-v", "-t", "0")


def test_the_page_and_what_is_behind_it(project: Project) -> None:
    with browser() as window:
        an_optimum_is_found_by_all_calculators(project, window)
        it_can_be_read(window)
        mistakes_are_told_and_nobody_elses_markup_runs(project, window)
        what_is_kept_outlives_all_containers(project, window)


def an_optimum_is_found_by_all_calculators(project: Project, window: Browser) -> None:
    window.open(ADDRESS)
    window.run(FILL, {"expression": "1 - (x - 2) ** 2 - (y + 3) ** 2", "mail": "ada@example.org"})
    assert window.text("article h2") == "1 - (x - 2) ** 2 - (y + 3) ** 2"
    assert window.text("dl").split("\n")[:4] == ["greatest value", "1", "at x, y", "2, -3"]
    assert window.run("return document.querySelectorAll('meter').length") == 3
    assert window.run("return document.querySelectorAll('svg rect').length") == 144
    assert b"To: ada@example.org" in project.compose("logs", "mail").stdout
    assert window.complaints() == []


def it_can_be_read(window: Browser) -> None:
    for width, dark in ((360, False), (1280, False), (360, True), (1280, True)):
        window.open(f"{ADDRESS}/reports/1", width=width, dark=dark)
        assert window.run(WIDER) <= 0
        assert window.run(CONTRAST) >= 4.5
        background = window.run("return getComputedStyle(document.body).backgroundColor")
        assert (int(re.findall(r"\d+", background)[0]) < 100) == dark


def mistakes_are_told_and_nobody_elses_markup_runs(project: Project, window: Browser) -> None:
    window.open(ADDRESS)
    window.run(FILL, {"expression": "<img src=x onerror='document.title=1'>"})
    assert "is no expression" in window.text(".error")
    assert window.run("return document.title") == "Optimum"
    project.compose("stop", "-t", "0", "calculator")
    window.run(FILL, {"expression": "x + y"})
    assert "no calculator is there" in window.text(".error")
    assert window.run("return document.querySelector('form').elements.expression.value") == "x + y"


def what_is_kept_outlives_all_containers(project: Project, window: Browser) -> None:
    assert project.compose("down", "-t", "0").returncode == 0
    assert project.compose("up", "-d", "--wait").returncode == 0
    window.open(f"{ADDRESS}/reports/1")
    assert window.text("dl").split("\n")[1] == "1"
