"""`system uninstall` leaves a host as if there had been no minidock; what runs and what is somebody's stays."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command import Minidock


@pytest.fixture
def own(tmp_path: Path, alpine: None, minidock: Minidock) -> Iterator[Minidock]:
    """A minidock with a root of its own, an image, a volume and two networks, of which the default one was in use."""
    run = Path(tempfile.mkdtemp(prefix="mdt-", dir="/run"))  # a socket's path is short
    own = Minidock(root=tmp_path / "root", run=run)
    busybox = Path("/bin/busybox").read_bytes()
    ok(own, "import", "-c", 'ENTRYPOINT ["/busybox"]', "-", "box", input=archive(busybox))
    ok(own, "run", "--name", "kept", "box", "true")
    ok(own, "network", "create", "other")
    ok(own, "volume", "create", "data")
    yield own
    own("rm", "-f", "kept", "held")
    uninstall(own, "--all", "--force")


def archive(busybox: bytes) -> bytes:
    import io
    import tarfile

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        info = tarfile.TarInfo("busybox")
        info.size, info.mode = len(busybox), 0o755
        tar.addfile(info, io.BytesIO(busybox))
    return buffer.getvalue()


def ok(own: Minidock, *words: str, input: bytes = b"") -> str:
    done = own(*words, input=input)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def uninstall(own: Minidock, *words: str, input: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Where /var/cache is nobody else's."""
    script = """mkdir -p /var/cache && mount -t tmpfs none /var/cache && mkdir -p /var/cache/minidock/rootfs
                "$@"; code=$?; ls /var/cache >&2; exit $code"""
    command = ["unshare", "--mount", "sh", "-c", script, "sh", *own.program, "system", "uninstall", *words]
    return subprocess.run(command, env=own.environment, input=input, capture_output=True, timeout=60, check=False)


def interfaces() -> set[str]:
    shown = subprocess.run(["ip", "-j", "link", "show", "type", "bridge"], capture_output=True, check=True).stdout
    return {row["ifname"] for row in json.loads(shown or b"[]")}


def bridges_of(own: Minidock) -> set[str]:
    """The interfaces on this host of the networks below one root."""
    files = [path for path in own.root.glob("networks/*.json") if not path.name.endswith(".leases.json")]
    known = {json.loads(path.read_text())["interface"] for path in files}
    return known & interfaces()


def test_it_asks_and_does_nothing_without_a_yes(own: Minidock) -> None:
    before = bridges_of(own)
    assert len(before) == 2
    done = uninstall(own, input=b"n\n")
    assert done.returncode == 0
    assert b"WARNING! This will remove from this host:" in done.stdout
    assert b"removed" not in done.stdout
    assert bridges_of(own) == before


def test_what_is_on_the_host_goes_and_what_is_the_users_stays(own: Minidock) -> None:
    before = bridges_of(own)
    done = uninstall(own, "--force")
    assert (done.returncode, done.stderr) == (0, b""), done.stderr  # /var/cache is empty
    assert not before & interfaces()
    for name in before:
        assert f"interface {name} of the network" in done.stdout.decode()
        assert name not in subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, check=True).stdout
    assert not own.run.exists()
    assert ok(own, "volume", "ls", "-q") == "data\n"
    assert ok(own, "start", "-a", "kept") == ""  # and it is all there again when it is needed
    assert bridges_of(own) != set()


def test_all_takes_the_state_too_but_no_file_of_others(own: Minidock) -> None:
    (own.root / "others").write_text("mine")
    done = uninstall(own, "--all", "--force")
    assert done.returncode == 0, done.stderr
    assert [path.name for path in own.root.iterdir()] == ["others"]


def test_nothing_goes_while_a_container_runs(own: Minidock) -> None:
    ok(own, "run", "-d", "--name", "held", "box", "sleep", "300")
    before = bridges_of(own)
    done = uninstall(own, "--all", "--force")
    assert done.returncode == 1
    assert b"containers are running: held (to stop them all: minidock system stop)\n" in done.stderr
    assert bridges_of(own) == before
    elsewhere = Minidock(root=own.root.parent / "elsewhere", run=own.run)
    done = uninstall(elsewhere, "--force")
    assert done.returncode == 1
    assert b"containers of another state root are running: " in done.stderr
