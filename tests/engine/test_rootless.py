"""Containers of an ordinary user: no process of theirs has any right on the host that the user has not.

The user is made for the test: lines in files that are bound over /etc/passwd and its sisters, in the tests' own mount
namespace, and /dev/net/tun as udev makes it, for all.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

import minidock
from minidock.linux import cgroups, syscalls
from tests.engine.containers import eventually
from tests.support.command import Minidock

UID, FIRST = 4242, 400_000
NAME = "rootless-test"

pytestmark = pytest.mark.skipif(not shutil.which("newuidmap") or not shutil.which("slirp4netns"),
                                reason="needs uidmap and slirp4netns")  # fmt: skip


class User:
    """The user, his directories, and his `minidock`."""

    def __init__(self, place: Path) -> None:
        self.place, self.run = place, place / "run" / "minidock"
        self.environment = {
            "PATH": os.environ["PATH"], "HOME": str(place / "home"), "XDG_RUNTIME_DIR": str(place / "run"),
            "PYTHONPATH": f"{place}/code:{place}/site", "LANG": "C.UTF-8",
        }  # fmt: skip
        self.before: list[str] = []

    def __call__(
        self, *words: str, input: bytes = b"", env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        drop = ["setpriv", "--reuid", str(UID), "--regid", str(UID), "--clear-groups"]
        program = [os.path.realpath(sys.executable), "-m", "minidock", *words]
        return subprocess.run([*self.before, *drop, *program], env=self.environment | (env or {}), input=input,
                              capture_output=True, timeout=120, check=False, cwd=self.place / "home")  # fmt: skip

    def ok(self, *words: str, input: bytes = b"") -> str:
        done = self(*words, input=input)
        assert done.returncode == 0, (words, done)
        return done.stdout.decode()

    def pid(self, name: str) -> int:
        return int(json.loads(self.ok("inspect", name))[0]["State"]["Pid"])

    def holder(self) -> int:
        return int(json.loads((self.run / "holder.json").read_text())["pid"])

    def end(self) -> None:
        """End what holds his namespaces, and remove his files."""
        if (self.run / "holder.json").exists():
            if left := self.ok("ps", "-aq").split():
                self.ok("rm", "-f", *left)
            pids = [self.holder(), int((self.run / "slirp.pid").read_text())]
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))


@pytest.fixture
def user(tmp_path: Path) -> Iterator[User]:
    place = Path(tempfile.mkdtemp(prefix="mdu-", dir="/run"))
    place.chmod(0o755)
    files = {
        "/etc/passwd": Path("/etc/passwd").read_text() + f"{NAME}:x:{UID}:{UID}::/:/bin/sh\n",
        "/etc/group": Path("/etc/group").read_text() + f"{NAME}:x:{UID}:\n",
        "/etc/subuid": f"{NAME}:{FIRST}:65536\n",
        "/etc/subgid": f"{NAME}:{FIRST}:65536\n",
    }
    bound = []
    for target, text in files.items():
        own = place / os.path.basename(target)
        own.write_text(text)
        bound.append((str(own), target))
    tun = tmp_path / "tun"
    os.mknod(tun, 0o020666, os.makedev(10, 200))
    tun.chmod(0o666)
    bound.append((str(tun), "/dev/net/tun"))
    for name, source in ("code", Path(minidock.__file__).parents[1]), ("site", Path(sysconfig.get_path("purelib"))):
        (place / name).mkdir()
        bound.append((str(source), str(place / name)))
    for name in ("home", "run"):
        (place / name).mkdir(0o700)
        os.chown(place / name, UID, UID)
    for source_path, target in bound:
        syscalls.mount(source_path, target, None, syscalls.MS_BIND)
    one = User(place)
    yield one
    one.end()
    for _, target in reversed(bound):
        syscalls.umount2(target)
    shutil.rmtree(place)


@pytest.fixture
def with_alpine(user: User, engine: Minidock) -> User:
    user.ok("load", input=engine("save", "alpine").stdout)
    return user


def test_a_whole_life(with_alpine: User) -> None:
    user = with_alpine
    shared = user.place / "home" / "shared"
    shared.mkdir()
    os.chown(shared, UID, UID)
    script = """echo mine >/shared/f; echo v >/vol/f; touch /new; chown 7:8 /new; rm -r /media; mkdir /media
        echo said; exec sleep 1000"""
    user.ok("run", "-d", "--name", "one", "-v", f"{shared}:/shared", "-v", "kept:/vol", "alpine", "sh", "-c", script)
    user.ok("exec", "one", "sh", "-c", "until [ ! -e /media/cdrom ] && [ -d /media ]; do sleep 0.01; done")
    pid = user.pid("one")
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    assert status["Uid"].split() == 4 * [str(UID)]
    assert [row.split() for row in Path(f"/proc/{pid}/uid_map").read_text().splitlines()] == [
        ["0", str(UID), "1"], ["1", str(FIRST), "65536"]]  # fmt: skip
    assert (shared / "f").stat().st_uid == UID
    changed = os.stat(f"/proc/{pid}/root/new")
    assert (changed.st_uid, changed.st_gid) == (FIRST + 6, FIRST + 7)
    data = user.place / "home/.local/share/minidock"
    assert (data / "volumes/kept/_data/f").read_text() == "v\n"
    assert user.ok("logs", "one") == "said\n"
    assert {"A /new", "D /media/cdrom"} <= set(user.ok("diff", "one").splitlines())
    with tarfile.open(fileobj=io.BytesIO(user("cp", "one:/new", "-").stdout)) as archive:
        assert [(entry.uid, entry.gid) for entry in archive] == [(7, 8)]
    user.ok("commit", "one", "committed")
    (shared / "Dockerfile").write_text("FROM committed\nRUN rm /new && touch /built && chown 9:9 /built\nCOPY f /f\n")
    user.ok("build", "-q", "-t", "built", str(shared))
    look = "stat -c %u:%g /built /f; cat /f; ls /media; [ ! -e /new ]"
    assert user.ok("run", "--rm", "built", "sh", "-c", look) == "9:9\n0:0\nmine\n"
    device = ("--device", "/dev/zero:/dev/nought")
    assert user.ok("run", "--rm", *device, "alpine", "sh", "-c", "head -c1 /dev/nought | wc -c") == "1\n"
    user.ok("stop", "-t", "0", "one")
    user.ok("start", "one")
    assert user.ok("exec", "one", "cat", "/shared/f") == "mine\n"
    assert "rootless" in json.loads(user.ok("info", "--format", "{{json .SecurityOptions}}"))[1]
    user.ok("rm", "-f", "one")


def _answer(port: int) -> bytes:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5) as end:
        return end.recv(100)
    return b""


def test_networks_names_ports_and_who_keeps_them(with_alpine: User) -> None:
    user = with_alpine
    user.ok("network", "create", "net")
    serve = "nc -lk -p 80 -e echo hello"
    user.ok("run", "-d", "--name", "web", "--network", "net", "-p", "127.0.0.1:8123:80", "alpine", "sh", "-c", serve)
    eventually(lambda: _answer(8123) == b"hello\n")
    assert user.ok("run", "--rm", "--network", "net", "alpine", "nc", "web", "80") == "hello\n"
    assert "10.0.2.3" in user.ok("run", "--rm", "alpine", "cat", "/etc/resolv.conf")
    assert user.ok("run", "--rm", "alpine", "ping", "-c1", "-W5", "10.0.2.2")
    taken = user("run", "-d", "-p", "8123:80", "alpine", "true")
    assert (taken.returncode, b"port is already allocated" in taken.stderr) == (125, True)
    # The sleeping process is killed, and the container's monitor keeps the namespaces.
    os.kill(user.holder(), signal.SIGKILL)
    assert user.ok("ps", "--format", "{{.Names}}") == "web\n"
    assert user.ok("exec", "web", "hostname")
    user.ok("rm", "-f", "web")
    assert _answer(8123) == b""
    user.ok("network", "rm", "net")
    user.ok("run", "--rm", "alpine", "true")  # new ones


def test_users_within_a_users_namespace(with_alpine: User) -> None:
    user = with_alpine
    home = user.place / "home"
    base = ("run", "--rm", "--network", "none", "-v", f"{home}:/home", "alpine", "sh", "-c")
    assert user.ok("run", *base[1:4], "--userns", "keep-id", *base[4:], "id -u; touch /home/kept") == f"{UID}\n"
    assert (home / "kept").stat().st_uid == UID
    nobody = user("run", *base[1:4], "--userns", "nomap", *base[4:], "id -u; touch /home/not")
    assert (nobody.returncode, nobody.stdout, (home / "not").exists()) == (1, b"0\n", False)
    assert user.ok("run", *base[1:4], "--userns", "auto:size=500", *base[4:], "tr -s ' ' </proc/self/uid_map") == (
        " 0 1 500\n")  # fmt: skip
    refused = user("run", "--userns", "remap", "alpine", "true")
    assert (refused.returncode, b"which only root can do: take auto" in refused.stderr) == (125, True)


def test_a_part_of_the_cgroup_tree_where_it_was_given(with_alpine: User) -> None:
    user = with_alpine
    refused = user("run", "--rm", "-m", "64m", "alpine", "true")
    assert (refused.returncode, b"no part of the cgroup tree was given to you" in refused.stderr) == (125, True)
    user.end()
    own = Path(str(cgroups.hierarchy()), "given")
    try:
        (own / "session").mkdir(parents=True)
        for path in (own, *own.rglob("*")):
            os.chown(path, UID, UID)
        user.before = ["sh", "-c", f'echo $$ >{own}/session/cgroup.procs; exec "$@"', "sh"]
        user.ok("run", "-d", "--name", "one", "--network", "none", "alpine", "sleep", "1000")
        pid = user.pid("one")
        assert f"/given/minidock/{user.ok('inspect', '-f', '{{.Id}}', 'one').strip()}" in cgroups.path_of(pid)
        user.ok("pause", "one")
        assert Path(str(cgroups.hierarchy()), cgroups.path_of(pid).lstrip("/"), "cgroup.freeze").read_text() == "1\n"
        user.ok("unpause", "one")
        user.ok("rm", "-f", "one")
    finally:
        user.end()
        eventually(lambda: not (own / "session/cgroup.procs").read_text())
        for directory, _, _ in os.walk(own, topdown=False):
            os.rmdir(directory)


def test_what_the_host_lacks_is_told_at_once_with_its_remedy(user: User) -> None:
    def forbidden(name: str, text: str) -> None:
        own = user.place / "sysctl"
        own.write_text(text)
        syscalls.mount(str(own), name, None, syscalls.MS_BIND)

    for name in ("subuid", "subgid"):
        (user.place / name).write_text("somebody:100000:65536\n")
    forbidden("/proc/sys/user/max_user_namespaces", "0\n")
    try:
        done = user("run", "--rm", "alpine", "true")
    finally:
        syscalls.umount2("/proc/sys/user/max_user_namespaces")
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (125, b"", 1)
    for remedy in ("sysctl -w user.max_user_namespaces=15000", f"usermod --add-subuids 165536-231071 {NAME}",
                   f"usermod --add-subgids 165536-231071 {NAME}"):  # fmt: skip
        assert remedy in done.stderr.decode()
    for name in ("subuid", "subgid"):
        (user.place / name).write_text(f"{NAME}:{FIRST}:65536\n")
    foreign = user.place / "foreign"
    foreign.mkdir()
    foreign.chmod(0o777)
    refused = user("ps", env={"XDG_RUNTIME_DIR": str(foreign)})
    assert (refused.returncode, refused.stderr.count(b"\n")) == (125, 1)
    assert b"belongs to somebody else: set XDG_RUNTIME_DIR" in refused.stderr
    assert user("--help").returncode == user("version").returncode == 0
