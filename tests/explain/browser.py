"""A real browser without a window: Debian's Chromium, driven through chromedriver (W3C WebDriver, over HTTP)."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.engine.containers import eventually
from tests.support.command import Minidock

# Nothing that phones home, nothing that asks questions, a profile of its own.
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--hide-scrollbars",
)  # fmt: skip


class Browser:
    """One window."""

    def __init__(self, driver: str, profile: Path) -> None:
        options = {"args": [*FLAGS, f"--user-data-dir={profile}"], "binary": shutil.which("chromium")}
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        self._driver = driver
        self._session = _post(f"{driver}/session", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]

    def open(self, url: str, width: int = 1280, height: int = 720, *, dark: bool = False) -> None:
        """Go to `url` with a window whose inside has this size."""
        self._devtools("Emulation.setDeviceMetricsOverride",
                       {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._devtools("Emulation.setEmulatedMedia", {"features": [scheme]})
        self._command("url", {"url": url})

    def run(self, script: str, *arguments: object) -> Any:
        """What the JavaScript function body `script` returns."""
        return self._command("execute/sync", {"script": script, "args": list(arguments)})

    def text(self, selector: str) -> str:
        """The text that is seen in the first element that a CSS selector finds."""
        return str(self.run("return document.querySelector(arguments[0]).innerText", selector))

    def complaints(self) -> list[str]:
        """What the browser's console has to complain about since the last call."""
        return [row["message"] for row in self._command("se/log", {"type": "browser"}) if row["level"] != "INFO"]

    def screenshot(self) -> bytes:
        """What is seen, as PNG."""
        return base64.b64decode(self._devtools("Page.captureScreenshot", {"format": "png"})["data"])

    def close(self) -> None:
        """Close the window and end the browser."""
        request = urllib.request.Request(f"{self._driver}/session/{self._session}", method="DELETE")
        urllib.request.urlopen(request, timeout=30).close()

    def _command(self, name: str, body: dict[str, Any]) -> Any:
        return _post(f"{self._driver}/session/{self._session}/{name}", body)

    def _devtools(self, method: str, parameters: dict[str, Any]) -> Any:
        return self._command("goog/cdp/execute", {"cmd": method, "params": parameters})


def _post(url: str, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)["value"]


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser inside the `with` block, with nothing of any other's."""
    # Not pytest's directory: Chromium has sockets in there, whose paths may have 108 bytes (unix(7)).
    with tempfile.TemporaryDirectory(prefix="mdt-", dir="/tmp", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        log = directory / "chromedriver.log"
        driver = subprocess.Popen(
            ["chromedriver", "--port=0"], stdout=log.open("wb"), stderr=subprocess.STDOUT,
            env={"PATH": "/usr/bin:/bin", "HOME": str(directory), "TMPDIR": str(directory)},
        )  # fmt: skip
        try:
            said = eventually(lambda: _port(log))
            made = Browser(f"http://127.0.0.1:{said}", directory / "profile")
            try:
                yield made
            finally:
                made.close()
        finally:
            driver.terminate()
            driver.wait()


def _port(log: Path) -> str:
    for line in log.read_text(errors="replace").splitlines():
        if "started successfully on port" in line:
            return line.rpartition(" ")[2].strip(".")
    return ""


@contextmanager
def served(minidock: Minidock, name: str, language: str = "C") -> Iterator[str]:
    """`minidock xray --serve` inside the `with` block: the page's address."""
    process = minidock.start("xray", "--serve", name, stdout=subprocess.PIPE)
    try:
        line = process.stdout.readline().decode()
        assert "http://127.0.0.1:" in line, line
        yield line[line.index("http://") :].split()[0]
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()
