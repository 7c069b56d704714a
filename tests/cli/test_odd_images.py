"""Containers of images whose configuration is odd: docker runs them, or refuses them in a line (asked of docker 26)."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from minidock.image.digest import of_bytes
from tests.cli.conftest import Run
from tests.engine.containers import eventually
from tests.support.command import Minidock

Load = Callable[..., str]
NAME = "odd-image"


def _tar(*members: tuple[str, bytes | str]) -> bytes:
    """A tar of files with these contents, or of `busybox` and links to it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.mode = 0o755
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                tar.addfile(info)
            else:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture(scope="module")
def layer() -> bytes:
    with open("/bin/busybox", "rb") as file:
        names = ("sh", "echo", "env", "sleep", "id", "pwd")
        return _tar(("bin/busybox", file.read()), *((f"bin/{name}", "busybox") for name in names))


@pytest.fixture
def loaded(minidock: Minidock, layer: bytes) -> Iterator[Load]:
    """`loaded(Env=["A"])`: an image with that in its configuration; `outer` is beside it."""

    def load(outer: dict[str, Any] | None = None, **config: Any) -> str:
        rootfs = {"type": "layers", "diff_ids": [of_bytes(layer)]}
        own = {"Env": ["PATH=/bin"], **config}
        whole = {"architecture": "amd64", "os": "linux", "rootfs": rootfs, "config": own, **(outer or {})}
        listed = [{"Config": "c.json", "RepoTags": [f"{NAME}:latest"], "Layers": ["l.tar"]}]
        rest = (("c.json", json.dumps(whole).encode()), ("manifest.json", json.dumps(listed).encode()))
        done = minidock("load", input=_tar(("l.tar", layer), *rest))
        assert done.returncode == 0, done.stderr
        return NAME

    yield load
    assert minidock("rmi", "-f", NAME).returncode == 0


@pytest.mark.parametrize(
    ("config", "words", "out"),
    [
        ({"Entrypoint": [""], "Cmd": ["echo", "said"]}, (), "said\n"),
        ({"Entrypoint": [None], "Cmd": "pwd"}, (), "/\n"),
        ({"entrypoint": ["echo"]}, ("said",), "said\n"),
        ({"Env": ["FOO", "", "PATH=/bin", None, "A=b=c"]}, ("sh", "-c", "echo ${FOO-none} $A"), "none b=c\n"),
        ({"Volumes": {"/": {}, "": {}, "a/../rel": None}}, ("sh", "-c", "grep -c ' /rel ' /proc/mounts"), "1\n"),
        ({"Healthcheck": {"Test": ["FOO", "a\0b"], "Interval": -5, "Retries": -1}}, ("echo", "said"), "said\n"),
        ({"Labels": {"a": None}, "WorkingDir": None, "User": None, "Cmd": ["echo", "said"]}, (), "said\n"),
        ({"WorkingDir": "/a/../b"}, ("pwd",), "/b\n"),
    ],
)
def test_it_runs(run: Run, loaded: Load, config: dict[str, Any], words: tuple[str, ...], out: str) -> None:
    result = run(loaded(**config), *words)
    assert (result.out, result.err, result.code) == (out, "", 0)


@pytest.mark.parametrize(
    ("config", "code", "message"),
    [
        ({"Cmd": [""]}, 127, 'exec: "": executable file not found in $PATH'),
        ({"Cmd": ["echo", "a\0b"]}, 125, "exec a\\x00b: invalid argument"),
        ({"Env": ["=x"]}, 125, 'environment variable name can\'t be empty: "=x"'),
        ({"Env": ["A=b\0c"]}, 125, 'environment variable value can\'t contain null(\\x00): "A=b\\x00c"'),
        ({"User": "-1:0"}, 125, "uids and gids must be in range 0-2147483647"),
        ({"User": "root\0"}, 125, "unable to find user root\\x00: no matching entries in passwd file"),
        ({"Volumes": {"/a\0b": {}}}, 125, "invalid volume path"),
        ({"WorkingDir": "rel"}, 125, "the working directory 'rel' is invalid, it needs to be an absolute path"),
        ({"WorkingDir": "/a\0b"}, 125, "the working directory /a\\x00b: invalid argument"),
    ],
)
def test_it_is_refused_in_a_line(run: Run, loaded: Load, config: dict[str, Any], code: int, message: str) -> None:
    result = run(loaded(**{"Cmd": ["echo", "said"], **config}))
    assert (result.code, result.out, result.err.count("\n")) == (code, "", 1)
    assert message in result.err


def test_of_odd_ports_those_count_that_are_ports(minidock: Minidock, loaded: Load) -> None:
    ports = ("80", "081/TCP", "82/tcp/udp", "83/", "53/udp")
    odd = (*ports, "90-92/tcp", "garbage", "", "/tcp", "0/tcp", "70000", "5/foo")
    image = loaded(ExposedPorts={port: {} for port in odd})
    done = minidock("create", "-P", image, "pwd")
    container = done.stdout.decode().strip()
    shown = json.loads(minidock("inspect", container).stdout)[0]
    assert sorted(shown["Config"]["ExposedPorts"]) == sorted(odd), "as they were written"
    assert minidock("start", container).returncode == 0
    assert minidock("wait", container).stdout == b"0\n"
    for port, found in (("82/tcp", 1), ("90/tcp", 0)):
        filtered = minidock("ps", "-aq", "--filter", f"expose={port}").stdout.split()
        assert len(filtered) == found, port
    minidock("rm", "-f", container)


@pytest.mark.parametrize("signal", ["garbage", "0", "99", "-1", "SIGTERM\0"])
def test_a_stop_signal_that_is_none_is_sigterm(minidock: Minidock, loaded: Load, signal: str) -> None:
    script = "trap 'exit 5' TERM; echo up; while :; do sleep 0.05; done"
    image = loaded(StopSignal=signal)
    container = minidock("run", "-d", "--network", "none", image, "sh", "-c", script).stdout.decode().strip()
    eventually(lambda: minidock("logs", container).stdout == b"up\n")
    assert minidock("stop", container).returncode == 0
    assert minidock("wait", container).stdout == b"5\n"
    minidock("rm", container)


@pytest.mark.parametrize(
    ("outer", "platform"),
    [
        ({"architecture": "s390x"}, "linux/s390x"),
        ({"architecture": "foo\x1b[31m"}, "linux/foo [31m"),
        ({"architecture": None}, "linux"),
        ({"architecture": "X86_64", "os": "Linux"}, ""),
        ({"architecture": "386"}, ""),
    ],
)
def test_a_label_of_another_machine_is_a_warning(run: Run, loaded: Load, outer: dict[str, str], platform: str) -> None:
    result = run(loaded(outer), "echo", "said")
    assert (result.code, result.out) == (0, "said\n")
    warning = f"WARNING: The requested image's platform ({platform}) does not match the detected host platform (linux/"
    assert result.err.startswith(warning if platform else "")
    assert result.err.count("\n") == bool(platform)
