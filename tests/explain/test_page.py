"""The page of an X-ray, without a browser: complete in itself, and nothing that it shows can become markup."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest

from tests.engine.containers import eventually
from tests.explain.looking import Container, load_layers, running
from tests.image.tars import archive, entry
from tests.support.command import Minidock

EVIL = "</title></text><script>document.title='owned'</script><img src=x onerror=alert(1)>"
FILE = '"><svg onload=alert(2)><style>*{display:none}<'
LONG = "x" * 100_000
# Elements that the page is made of; nothing else may come to be in it.
ELEMENTS = {
    "html", "head", "meta", "title", "style", "script", "body", "main", "section", "h1", "h2", "p", "span", "i", "b",
    "em", "table", "thead", "tbody", "tr", "th", "td", "ul", "li", "dl", "dt", "dd", "details", "summary",
    "svg", "g", "rect", "line", "path", "text", "tspan",
}  # fmt: skip


class Parsed(HTMLParser):
    """All elements with their attributes, and all text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.fixture(scope="module")
def hostile(engine: Minidock) -> Iterator[Container]:
    """A container in which every text that somebody else chooses is an attack."""
    with open("/bin/busybox", "rb") as file:
        busybox = entry("bin/busybox", content=file.read(), mode=0o755)
    load_layers(engine, "hostile:1", [archive(busybox, entry(f"srv/{FILE}", content=b"x"))], [EVIL])
    script = 'cd /srv; for f in *; do echo y > "$f"; done; echo > "$0"; exec sleep 1000 1'
    words = ["--network", "none", "--hostname", "<b>bold</b>", "hostile:1", "/bin/busybox", "sh", "-c", script]
    with running(engine, "hostile", *words, EVIL.replace("/", "|")) as container:
        eventually(lambda: container.xray()["running"]["processes"][0]["name"] == "sleep")
        yield container


@pytest.fixture(scope="module")
def page(engine: Minidock, hostile: Container) -> str:
    done = engine("xray", "--html", "-", "hostile", env={"LC_ALL": "C.UTF-8"})
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout.decode("utf-8")


def test_nothing_becomes_markup(page: str) -> None:
    parsed = Parsed(page)
    assert {tag for tag, _ in parsed.elements} <= ELEMENTS
    assert [tag for tag, _ in parsed.elements].count("script") == 1
    assert not [name for _, attributes in parsed.elements for name in attributes if name.startswith("on")]
    text = "".join(parsed.texts)
    assert EVIL in text
    assert FILE in text
    assert "<b>bold</b>" in text
    assert "alert(1)" in text


def test_a_command_line_of_any_length_leaves_the_page_small(engine: Minidock) -> None:
    words = ["--network", "none", "alpine", "sh", "-c", "sleep 1000; true", LONG]
    with running(engine, "wordy", *words) as container:
        assert container.xray()["running"]["processes"][0]["command"][-1] == LONG
        assert len(engine("xray", "--html", "-", "wordy").stdout) < 100_000
        assert len(engine("xray", "wordy").stdout) < 20_000


def test_nothing_is_fetched_from_anywhere(page: str) -> None:
    parsed = Parsed(page)
    for tag, attributes in parsed.elements:
        assert not {"src", "href", "srcset", "action", "style", "xlink:href"} & set(attributes), tag
    assert not re.search(r"@import|url\(|//[a-z]+\.", page)


def test_the_policy_allows_only_what_is_in_the_page(page: str) -> None:
    policy = next(attrs["content"] for tag, attrs in Parsed(page).elements if "http-equiv" in attrs)
    for element, directive in (("style", "style-src"), ("script", "script-src")):
        content = re.search(f"<{element}>(.*?)</{element}>", page, re.DOTALL)
        assert content
        digest = base64.b64encode(hashlib.sha256(content[1].encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in str(policy)
    assert "default-src 'none'" in str(policy)


def test_control_characters_are_shown_as_escapes(engine: Minidock, hostile: Container) -> None:
    done = engine("exec", "hostile", "/bin/busybox", "sh", "-c", "echo > \"$(printf '/srv/\\033c\\377\\n.')\"")
    assert done.returncode == 0, done.stderr
    text = engine("xray", "--html", "-", "hostile").stdout.decode("utf-8")
    assert "\x1b" not in text
    assert r"/srv/\x1bc\xff\n." in text


def test_the_file_is_written_as_it_is_printed(engine: Minidock, hostile: Container, tmp_path: object) -> None:
    path = f"{tmp_path}/page.html"
    done = engine("xray", "--html", path, "hostile", env={"LC_ALL": "fr_FR.UTF-8"})
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    assert text.startswith('<!DOCTYPE html>\n<html lang="fr">')
    assert text.endswith("</html>\n")
    assert "Espaces de noms" in text


def test_a_stopped_container_has_a_page_too(engine: Minidock) -> None:
    assert engine("run", "--name", "still", "--network", "none", "alpine", "touch", "/left").returncode == 0
    try:
        parsed = Parsed(engine("xray", "--html", "-", "still", env={"LC_ALL": "C.UTF-8"}).stdout.decode())
        ids = [attributes["id"] for tag, attributes in parsed.elements if tag == "section"]
        assert ids == ["head", "stack"]
        assert "/left" in parsed.texts
        assert "exited (0)" in parsed.texts
    finally:
        assert engine("rm", "still").returncode == 0
