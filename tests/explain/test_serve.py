"""`minidock xray --serve`: to this machine only, and alive."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.engine.containers import eventually
from tests.explain.browser import served
from tests.explain.looking import Container, running
from tests.support.command import Minidock


@pytest.fixture(scope="module")
def shown(engine: Minidock) -> Iterator[Container]:
    with running(engine, "shown", "--network", "none", "alpine", "sleep", "1000") as container:
        yield container


@pytest.fixture(scope="module")
def url(engine: Minidock, shown: Container) -> Iterator[str]:
    with served(engine, "shown") as url:
        yield url


def port_of(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port


def ask(url: str, path: str, method: str = "GET", host: str | None = None) -> tuple[int, bytes, dict[str, str]]:
    """(status, content, headers) of one request for a path below the address `url`."""
    connection = http.client.HTTPConnection("127.0.0.1", port_of(url), timeout=20)
    try:
        connection.request(method, urlsplit(url).path + path, headers={"Host": host} if host else {})
        answer = connection.getresponse()
        return answer.status, answer.read(), dict(answer.getheaders())
    finally:
        connection.close()


def test_the_page_and_its_data(url: str, shown: Container) -> None:
    code, content, headers = ask(url, "")
    assert (code, headers["Content-Type"], headers["Cache-Control"]) == (200, "text/html; charset=utf-8", "no-store")
    assert b'data-live="yes"' in content
    code, content, headers = ask(url, "data.json")
    assert (code, headers["Content-Type"]) == (200, "application/json")
    assert json.loads(content)["running"]["pid"] == shown.pid
    sections = json.loads(ask(url, "sections.json")[1])
    assert list(sections)[:3] == ["head", "namespaces", "processes"]
    code, content, headers = ask(url, "", "HEAD")
    assert (code, content) == (200, b"")


def test_values_are_new_with_every_look(url: str, shown: Container) -> None:
    def commands() -> list[list[str]]:
        rows = json.loads(ask(url, "data.json")[1])["running"]["processes"]
        return [row["command"] for row in rows]

    shown.shell("sleep 4321 >/dev/null 2>&1 & echo > /fresh")
    eventually(lambda: ["sleep", "4321"] in commands())
    eventually(lambda: "/fresh" in json.loads(ask(url, "sections.json")[1])["stack"])
    shown.shell("pkill -f 'sleep 4321'")
    eventually(lambda: ["sleep", "4321"] not in commands())


@pytest.mark.parametrize(
    ("host", "code"),
    [
        ("localhost", 200),
        ("localhost:8080", 200),
        ("127.0.0.1:1", 200),
        ("evil.example", 403),
        ("evil.example:80", 403),
        ("127.0.0.1.evil.example", 403),
        ("localhost.evil.example:8080", 403),
        ("169.254.169.254", 403),
        ("[::1]:80", 403),
    ],
)
def test_only_who_asks_for_this_machine_by_its_name_gets_an_answer(url: str, host: str, code: int) -> None:
    for path in ("", "data.json", "sections.json"):
        found, content, headers = ask(url, path, host=host)
        assert found == code
        assert (b"shown" in content) == (code == 200)
        assert "Access-Control-Allow-Origin" not in headers


def test_only_who_has_the_key_gets_an_answer(engine: Minidock, url: str) -> None:
    root = f"http://127.0.0.1:{port_of(url)}/"
    with served(engine, "shown") as other:
        key = urlsplit(other).path.strip("/")
    assert len(key) >= 22  # 128 bits
    for path in ("", "data.json", "sections.json", f"{key}/", f"{key}/data.json", "%C3%A9/data.json", "//data.json"):
        code, content, _ = ask(root, path)
        assert (code, b"shown" in content) == (403, False), path
    assert ask(url.rstrip("/"), "")[0] == 404  # what the page then asks for would have no key


def test_what_is_not_there_and_what_is_not_allowed(url: str) -> None:
    assert ask(url, "etc/passwd")[0] == 404
    assert ask(url, "../../etc/passwd")[0] == 404
    assert ask(url, "", "POST")[0] == 501


def test_the_socket_is_on_the_loopback_interface_only(url: str) -> None:
    port = port_of(url)
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    listening = {row[1] for row in rows if row[3] == "0A" and row[1].endswith(f":{port:04X}")}
    assert listening == {f"{int.from_bytes(socket.inet_aton('127.0.0.1'), 'little'):08X}:{port:04X}"}
    rows = [line.split() for line in Path("/proc/net/tcp6").read_text().splitlines()[1:]]
    assert not [row for row in rows if row[1].endswith(f":{port:04X}")]


def test_a_port_in_use(engine: Minidock, shown: Container, url: str) -> None:
    port = port_of(url)
    done = engine("xray", "--serve", "--port", str(port), "shown")
    assert (done.returncode, done.stdout) == (1, b"")
    message = f"minidock: cannot serve on 127.0.0.1:{port}: Address already in use: choose another --port\n"
    assert done.stderr.decode() == message


def test_ctrl_c_ends_it(engine: Minidock, shown: Container) -> None:
    process = engine.start("xray", "--serve", "shown", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert b"http://127.0.0.1:" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert (process.wait(20), process.stdout.read(), process.stderr.read()) == (0, b"", b"")
    process.stdout.close()
    process.stderr.close()


def test_when_the_container_ends_and_when_it_is_gone(engine: Minidock) -> None:
    words = ["--network", "none", "alpine", "sleep", "1000"]
    with running(engine, "brief", *words) as container, served(engine, "brief") as url:
        group = json.loads(ask(url, "data.json")[1])["running"]["cgroup"]
        Path(f"{group['mount']}{group['path']}/cgroup.kill").write_text("1")
        eventually(lambda: json.loads(ask(url, "data.json")[1])["status"] == "exited")
        assert list(json.loads(ask(url, "sections.json")[1])) == ["head", "stack"]
        assert engine("rm", container.name).returncode == 0
        code, content, _ = eventually(lambda: found if (found := ask(url, "sections.json"))[0] != 200 else None)
        assert (code, content.startswith(b"No such container: ")) == (410, True)
