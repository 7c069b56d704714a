"""Docker's own clients drive minidock over the socket: the command, Compose, the library for Python."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import docker as library
import pytest

from tests.api.client import Client
from tests.api.conftest import api  # noqa: F401 - a fixture
from tests.engine.containers import eventually
from tests.support.command import Minidock

pytestmark = pytest.mark.interop
Run = Callable[..., subprocess.CompletedProcess[bytes]]
COMPOSE = Path(sys.executable).with_name("docker-compose")

PROJECT = """
services:
  db:
    image: alpine
    command: sh -c "sleep 1; touch /ready; exec sleep 1000"
    healthcheck: {test: "test -e /ready", interval: 200ms, retries: 100}
    volumes: ["data:/data"]
    networks: {back: {aliases: [database]}}
    configs: [{source: settings, target: /settings}]
    secrets: [password]
  web:
    image: alpine
    command: sh -c "ping -c1 database && echo reached && exec sleep 1000"
    depends_on: {db: {condition: service_healthy}}
    networks: [back]
  built:
    build: .
  tool:
    image: alpine
    profiles: [tools]
    command: echo a tool
networks: {back: {}}
volumes: {data: {}}
configs: {settings: {content: "configured"}}
secrets: {password: {file: ./password}}
"""


@pytest.fixture
def client(api: Client) -> Run:  # noqa: F811
    """The command `docker`, with minidock behind it."""

    def run(*words: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        environment = {**os.environ, "DOCKER_HOST": f"unix://{api.path}", "DOCKER_BUILDKIT": "0"}
        return subprocess.run(
            ["docker", *words], input=data, capture_output=True, timeout=100, check=False, env=environment
        )

    return run


@pytest.fixture
def python(api: Client) -> Iterator[library.DockerClient]:  # noqa: F811
    """Docker's library for Python."""
    found = library.DockerClient(base_url=f"unix://{api.path}")
    yield found
    found.close()


RUNS = {
    "nothing": (["alpine", "true"], b"", 0, b""),
    "output": (["alpine", "echo", "hello"], b"", 0, b"hello\n"),
    "exit": (["alpine", "sh", "-c", "echo a; exit 7"], b"", 7, b"a\n"),
    "input": (["-i", "alpine", "cat"], b"x" * 300_000, 0, b"x" * 300_000),
    "signal": (["alpine", "sh", "-c", "sh -c 'kill -9 $$'; exit $?"], b"", 137, b""),
    "missing": (["alpine", "nowhere"], b"", 127, b""),
    "directory": (["alpine", "/etc"], b"", 126, b""),
    "variables": (["-e", "A=1", "-w", "/tmp", "-u", "nobody", "alpine", "sh", "-c", "echo $A $PWD; id -un"], b"", 0,
                  b"1 /tmp\nnobody\n"),
    "volume": (["-v", "/data", "--tmpfs", "/t", "alpine", "sh", "-c", "echo a >/data/a; echo b >/t/b; cat /*/[ab]"],
               b"", 0, b"a\nb\n"),
    "no-network": (["--network", "none", "alpine", "ls", "/sys/class/net"], b"", 0, b"lo\n"),
    "read-only": (["--read-only", "alpine", "touch", "/x"], b"", 1, b""),
    "image": (["nowhere.invalid/image", "true"], b"", 125, b""),
}  # fmt: skip


@pytest.mark.parametrize("case", RUNS)
def test_run(client: Run, case: str) -> None:
    words, data, code, output = RUNS[case]
    done = client("run", "--rm", *words, data=data)
    assert (done.returncode, done.stdout) == (code, output), done.stderr


def test_a_life_as_the_command_leads_it(client: Run, tmp_path: Path) -> None:
    assert client("run", "-d", "--name", "led", "-p", "127.0.0.1::80", "alpine", "sleep", "1000").returncode == 0
    try:
        assert client("ps", "--format", "{{.Names}} {{.State}}").stdout == b"led running\n"
        assert client("exec", "-i", "led", "cat", data=b"in").stdout == b"in"
        assert client("exec", "led", "sh", "-c", "exit 3").returncode == 3
        assert client("port", "led", "80").stdout.startswith(b"127.0.0.1:")
        assert b"sleep 1000" in client("top", "led").stdout
        assert b"led" in client("stats", "--no-stream", "led").stdout
        (tmp_path / "file").write_text("copied")
        assert client("cp", str(tmp_path / "file"), "led:/file").returncode == 0
        assert client("cp", "led:/file", str(tmp_path / "back")).returncode == 0
        assert (tmp_path / "back").read_text() == "copied"
        assert b"A /file" in client("diff", "led").stdout
        assert client("commit", "led", "committed").returncode == 0
        assert client("run", "--rm", "committed", "cat", "/file").stdout == b"copied"
        assert client("rename", "led", "other").returncode == 0
        assert client("update", "--restart", "on-failure:3", "other").returncode == 0
        assert client("restart", "-t", "0", "other").returncode == 0
        assert client("stop", "-t", "0", "other").returncode == 0
        assert client("wait", "other").stdout == b"137\n"
        assert client("start", "other").returncode == 0
        assert client("kill", "other").returncode == 0
        words = ("events", "--since", "10m", "--until", "0s", "--filter", "container=other")
        eventually(lambda: b"die" in client(*words).stdout)  # the client asks up to the last whole second
    finally:
        client("rm", "-f", "led", "other")
        client("rmi", "committed")
    assert client("ps", "-aq").stdout == b""


def test_a_terminal_goes_both_ways(api: Client) -> None:  # noqa: F811
    main, other = pty.openpty()
    environment = {**os.environ, "DOCKER_HOST": f"unix://{api.path}"}
    words = ["docker", "run", "--rm", "-it", "alpine", "sh", "-c", "read x; tty; echo got $x"]
    with subprocess.Popen(words, stdin=other, stdout=other, stderr=other, env=environment) as process:
        os.close(other)
        os.write(main, b"typed\n")
        assert process.wait(60) == 0
        shown = os.read(main, 10_000)
    os.close(main)
    assert b"/dev/pts/0" in shown
    assert b"got typed" in shown


def test_images_are_built_saved_and_removed(client: Run, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM alpine\nARG X\nRUN echo $X > /x\nCOPY f /\nCMD cat /x /f\n")
    (tmp_path / "f").write_text("F\n")
    done = client("build", "-t", "made:1", "--build-arg", "X=9", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert b"Successfully tagged made:1" in done.stdout
    assert client("run", "--rm", "made:1").stdout == b"9\nF\n"
    assert b"Using cache" in client("build", "-t", "made:1", "--build-arg", "X=9", str(tmp_path)).stdout
    saved = client("save", "made:1").stdout
    assert client("rmi", "made:1").returncode == 0
    assert client("load", data=saved).stdout == b"Loaded image: made:1\n"
    assert client("history", "-q", "made:1").returncode == 0
    assert client("rmi", "made:1").returncode == 0
    client("builder", "prune", "-af")


def test_networks_and_volumes(client: Run) -> None:
    assert client("network", "create", "--subnet", "10.97.0.0/24", "net").returncode == 0
    assert client("volume", "create", "vol").stdout == b"vol\n"
    try:
        first = ("run", "-d", "--name", "first", "--network", "net", "--network-alias", "one", "-v", "vol:/v", "alpine")
        assert client(*first, "sleep", "1000").returncode == 0
        done = client("run", "--rm", "--network", "net", "-v", "vol:/v", "alpine", "ping", "-c1", "one")
        assert b"1 packets received" in done.stdout
        assert b"in use" in client("volume", "rm", "vol").stderr
        assert client("network", "rm", "net").returncode == 1
    finally:
        client("rm", "-f", "first")
        assert client("network", "rm", "net").returncode == 0
        assert client("volume", "rm", "vol").returncode == 0


def test_the_library(python: library.DockerClient) -> None:
    assert python.containers.run("alpine", "echo hello", remove=True) == b"hello\n"
    with pytest.raises(library.errors.ContainerError) as failed:
        python.containers.run("alpine", ["sh", "-c", "echo why >&2; exit 4"], remove=True)
    assert (failed.value.exit_status, failed.value.stderr) == (4, b"why\n")
    container = python.containers.run("alpine", ["sh", "-c", "echo first; sleep 1000"], detach=True)
    try:
        assert next(container.logs(stream=True, follow=True)) == b"first\n"
        assert container.exec_run(["sh", "-c", "echo $A; exit 5"], environment={"A": "1"}) == (5, b"1\n")
        code, (out, err) = container.exec_run(["sh", "-c", "echo o; echo e >&2"], demux=True)
        assert (code, out, err) == (0, b"o\n", b"e\n")
        assert [found.id for found in python.containers.list()] == [container.id]
        assert container.stats(stream=False)["name"] == f"/{container.name}"
        container.reload()
        assert container.status == "running"
    finally:
        container.remove(force=True)
    wanted = {"container": container.id, "event": "destroy"}
    now = int(time.time()) + 1
    assert [event["id"] for event in python.events(since=now - 600, until=now, filters=wanted, decode=True)] == [
        container.id
    ]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "compose.yaml").write_text(PROJECT)
    (tmp_path / "password").write_text("secret")
    (tmp_path / "Dockerfile").write_text("FROM alpine\nRUN echo built > /x\nCMD cat /x\n")
    return tmp_path


def test_compose(engine: Minidock, project: Path) -> None:
    """By `minidock compose`, which finds the program and gives it a socket."""

    def compose(*words: str) -> subprocess.CompletedProcess[bytes]:
        command = [*engine.program, "compose", "-p", "project", "--project-directory", str(project), *words]
        environment = {**engine.environment, "DOCKER_CONFIG": str(project)}
        return subprocess.run(command, capture_output=True, timeout=150, check=False, env=environment)

    try:
        done = compose("up", "-d")
        assert done.returncode == 0, done.stderr
        states = compose("ps", "-a", "--format", "{{.Service}} {{.State}} {{.Health}}").stdout.decode()
        assert {"db running healthy", "web running"} <= {line.strip() for line in states.splitlines()}
        eventually(lambda: b"reached" in compose("logs", "web").stdout)
        assert compose("exec", "-T", "db", "cat", "/settings", "/run/secrets/password").stdout == b"configuredsecret"
        assert compose("run", "--rm", "-T", "tool").stdout.splitlines()[-1] == b"a tool"
        assert compose("up", "-d", "--scale", "web=3").returncode == 0
        assert len(compose("ps", "-q", "web").stdout.split()) == 3
        assert b"sleep 1000" in compose("top", "db").stdout
        assert compose("cp", str(project / "password"), "web:/copied").returncode == 0
        assert compose("exec", "-T", "web", "cat", "/copied").stdout == b"secret"
        assert compose("restart", "-t", "0", "db").returncode == 0
    finally:
        down = compose("down", "-v", "-t", "0", "--rmi", "local")
    assert down.returncode == 0, down.stderr
    assert engine("ps", "-aq").stdout == b""
    assert b"project" not in engine("network", "ls").stdout + engine("volume", "ls").stdout
    engine("builder", "prune", "-af")


def test_tcp_is_for_clients_with_a_certificate(engine: Minidock, tmp_path: Path) -> None:
    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=tmp_path, check=True, capture_output=True)

    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca")
    (tmp_path / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    for name in ("server", "client"):
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", "asked", "-subj", "/CN=x")
        openssl("x509", "-req", "-in", "asked", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                "-out", f"{name}.pem", "-extfile", "names")  # fmt: skip
    listen = ["--socket", str(engine.run / "tls.sock"), "--tcp", "127.0.0.1:2376", "--timeout", "0"]
    server = [f"--tls{kind}={tmp_path / name}" for kind, name in
              (("cacert", "ca.pem"), ("cert", "server.pem"), ("key", "server.key"))]  # fmt: skip
    known = ["--tlsverify", *(row.replace("server", "client") for row in server)]

    def ask(*words: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        command = ["docker", "-H", "tcp://127.0.0.1:2376", *words]
        return subprocess.run(command, input=data, capture_output=True, timeout=60, check=False)

    assert engine("system", "service", "--tcp", "127.0.0.1:2376").returncode == 1
    with engine.start("system", "service", *listen, *server) as service:
        eventually((engine.run / "tls.sock").exists)
        data = os.urandom(1 << 20)
        assert ask(*known, "run", "--rm", "-i", "--network", "none", "alpine", "cat", data=data).stdout == data
        assert b"certificate" in ask("--tls", server[0], "ps").stderr
        assert ask("ps").returncode == 1
        service.terminate()
        assert service.wait(30) == 0
