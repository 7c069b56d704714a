"""The page of an X-ray in a real browser, headless Chromium: drawn whole, at a projector's sizes, and alive."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.containers import eventually
from tests.explain.browser import browser, served
from tests.explain.looking import Container, load_layers, running
from tests.image.tars import archive, entry
from tests.support.command import Minidock

pytestmark = pytest.mark.interop

SIZES = [(1280, 720), (1920, 1080)]
EVIL = "</text></li><img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
# Texts that leave the picture, or the chip that they are in, by more than a pixel.
OVERFLOWING = """
return [...document.querySelectorAll("svg text")].filter((text) => {
  const own = text.getBoundingClientRect();
  const inside = (box) => own.left >= box.left - 1 && own.right <= box.right + 1 && own.top >= box.top - 1
    && own.bottom <= box.bottom + 1;
  const chips = [...text.closest("g, svg").querySelectorAll("rect.chip")].map((rect) => rect.getBoundingClientRect());
  const chip = chips.find((box) => own.top > box.top && own.bottom < box.bottom + 1
    && (own.left + own.right) / 2 > box.left && (own.left + own.right) / 2 < box.right);
  const areas = [...text.closest("svg").querySelectorAll("rect[class$=-area]")].map((r) => r.getBoundingClientRect());
  const area = areas.filter((box) => own.left > box.left && own.left < box.right && own.top > box.top
    && own.bottom < box.bottom).sort((a, b) => a.width - b.width)[0];
  const named = text.classList.contains("area-name");
  return !inside(text.closest("svg").getBoundingClientRect()) || (chip && !inside(chip))
    || (named && !(area && inside(area)));
}).map((text) => text.textContent);
"""
WIDER = """
return [...document.querySelectorAll("main, section, table, dl, ul, p, h1")]
  .filter((element) => element.scrollWidth > element.clientWidth + 1).map((element) => element.outerHTML.slice(0, 200));
"""


FONT_SIZES = """
return [...document.querySelectorAll("td, p, dd, li, svg text")]
  .filter((element) => element.getBoundingClientRect().width)
  .map((element) => parseFloat(getComputedStyle(element).fontSize)
    * (element.ownerSVGElement ? element.getScreenCTM().a : 1));
"""
BACKGROUND = "return getComputedStyle(document.body).backgroundColor"


@pytest.fixture(scope="module")
def container(engine: Minidock) -> Iterator[Container]:
    """On the bridge, with published ports, a child process, and names that could break a layout or be markup."""
    busybox = entry("bin/busybox", content=Path("/bin/busybox").read_bytes(), mode=0o755)
    load_layers(engine, "shown:1", [archive(busybox, entry(f"srv/{EVIL[:200]}", content=b"x"))], [EVIL])
    script = f"/bin/busybox sleep 2000 & exec /bin/busybox sh -c '/bin/busybox sleep 2000; true' {'x' * 300}"
    name = f"{'long-wooden-' * 6}name"
    words = ["-p", "18081:80", "-p", "127.0.0.1:18082:81/udp", "shown:1", "/bin/busybox", "sh", "-c", script]
    with running(engine, name, *words) as made:
        yield made


@pytest.fixture(scope="module")
def url(engine: Minidock, container: Container) -> Iterator[str]:
    with served(engine, container.name) as address:
        yield address


def test_it_is_drawn_whole_at_a_projectors_sizes_light_and_dark(url: str) -> None:
    with browser() as window:
        for (width, height), dark in itertools.product(SIZES, (False, True)):
            window.open(url, width, height, dark=dark)
            assert window.run("return document.documentElement.scrollWidth") == width
            assert window.run(WIDER) == []
            assert window.run(OVERFLOWING) == []
            assert window.run("return document.querySelectorAll('section').length") == 9
            assert window.run("return [...document.querySelectorAll('svg')].every((svg) => svg.clientHeight > 50)")
            assert min(window.run(FONT_SIZES)) >= 12
            red, green, blue = map(int, window.run(BACKGROUND).removeprefix("rgb(").rstrip(")").split(","))
            assert (red + green + blue < 3 * 128) == dark
            assert len(window.screenshot()) > 20_000
        assert window.complaints() == []
        # What the container's image and processes are called was not executed.
        assert EVIL[:60] in window.run("return document.querySelector('#stack svg').textContent")
        assert "owned" not in window.run("return document.title")
        assert window.run("return document.querySelectorAll('img').length") == 0
        assert window.run("return document.querySelectorAll('script').length") == 1


def test_the_file_needs_nothing_but_itself(engine: Minidock, container: Container, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    assert engine("xray", "--html", str(path), container.name, env={"LC_ALL": "fr_FR.UTF-8"}).returncode == 0
    with browser() as window:
        window.open(f"file://{path}")
        assert window.run("return performance.getEntriesByType('resource').length") == 0
        assert "Espaces de noms" in window.text("#namespaces")
        assert window.run(OVERFLOWING) == []
        assert window.complaints() == []


def test_values_change_without_a_reload_until_the_server_is_gone(engine: Minidock, container: Container) -> None:
    with browser() as window:
        with served(engine, container.name) as url:
            window.open(url)
            window.run("window.mark = 'the same page'; document.querySelector('details').open = false")
            before = window.text("#head .facts")
            assert "busybox sleep 4" not in window.text("#processes")
            sleeper = container.minidock.start("exec", container.name, "/bin/busybox", "sleep", "4")
            eventually(lambda: "busybox sleep 4" in window.text("#processes"))
            eventually(lambda: window.text("#head .facts") != before)
            eventually(lambda: window.run("return !!document.querySelector('#cgroup .spark')"))
            assert sleeper.wait() == 0
            eventually(lambda: "busybox sleep 4" not in window.text("#processes"))
            assert window.run("return window.mark") == "the same page"
            assert not window.run("return document.querySelector('details').open")  # as the reader left it
            assert window.complaints() == []
        eventually(lambda: window.run("return document.getElementById('moment').classList.contains('lost')"))
        assert window.text("#moment") == "no answer from minidock any more"
