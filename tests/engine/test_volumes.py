"""Volumes: what is in them, who has them, what becomes of them when their containers go."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.engine.injection import Injector
from tests.support.command import Minidock
from tests.support.odd_archive import odd_archive

QUIET = ("run", "--rm", "--network", "none")
Do = Callable[..., str]


@pytest.fixture
def do(engine: Minidock) -> Do:
    """`do(*words)`: minidock has to succeed; its output."""

    def do(*words: str, input: bytes = b"") -> str:
        done = engine(*words, input=input)
        assert (done.returncode, done.stderr) == (0, b""), (words, done.stderr.decode())
        return done.stdout.decode()

    return do


@pytest.fixture(autouse=True)
def nothing_left(engine: Minidock) -> Iterator[None]:
    """No container and no volume, before and after each test."""
    yield
    if ids := engine("ps", "-a", "-q").stdout.split():
        engine("rm", "-f", "-v", *map(bytes.decode, ids))
    engine("volume", "prune", "-a", "-f")
    names = os.listdir(engine.root / "volumes") if (engine.root / "volumes").exists() else []
    assert [name for name in names if name != ".lock"] == []


def volumes(engine: Minidock) -> list[str]:
    """The names of all volumes, from the file system."""
    return sorted(path.parent.name for path in engine.root.glob("volumes/*/volume.json"))


def data(engine: Minidock, name: str) -> Path:
    return engine.root / "volumes" / name / "_data"


def test_a_volume_outlives_its_containers(engine: Minidock, do: Do) -> None:
    do(*QUIET, "-v", "things:/things", "alpine", "sh", "-c", "echo kept >/things/file; chown 12:34 /things/file")
    assert volumes(engine) == ["things"]
    assert (data(engine, "things") / "file").read_text() == "kept\n"
    out = do(*QUIET, "-v", "things:/else/where:ro", "alpine", "sh", "-c",
             "stat -c '%u:%g' /else/where/file; touch /else/where/x 2>&1 || true")  # fmt: skip
    assert out == "12:34\ntouch: /else/where/x: Read-only file system\n"


def test_every_file_says_which_form_it_has(engine: Minidock, do: Do) -> None:
    do("volume", "create", "--label", "a=b", "things")
    content = json.loads((engine.root / "volumes/things/volume.json").read_text())
    assert (content["schemaVersion"], content["name"], content["labels"]) == (1, "things", {"a": "b"})


def test_who_lost_its_name_goes_with_its_container_and_nothing_else_does(engine: Minidock, do: Do) -> None:
    options = ["-v", "/a", "-v", "named:/b", "--mount", "type=volume,target=/c", "--mount", "source=too,target=/d"]
    do(*QUIET, *options, "alpine", "true")
    assert volumes(engine) == ["named", "too"]
    do("run", "--name", "kept", "--network", "none", *options, "alpine", "true")
    assert len(volumes(engine)) == 4
    do("rm", "kept")
    assert len(volumes(engine)) == 4
    do("run", "--name", "gone", "--network", "none", *options, "alpine", "true")
    assert len(volumes(engine)) == 6
    do("rm", "-v", "gone")
    assert len(volumes(engine)) == 4
    out = do("volume", "prune", "-f")
    assert out.startswith("Deleted Volumes:\n")
    assert volumes(engine) == ["named", "too"]


def test_a_volume_that_somebody_has_stays(engine: Minidock, do: Do) -> None:
    do("run", "--name", "owner", "--network", "none", "-v", "things:/t", "-v", "/anonymous", "alpine", "true")
    container = json.loads(do("inspect", "owner"))[0]["Id"]
    for words in (["things"], ["-f", "things"]):
        done = engine("volume", "rm", *words)
        assert (done.returncode, done.stderr.decode()) == (
            1, f"minidock: remove things: volume is in use - [{container}]\n"
        )  # fmt: skip
    do("volume", "prune", "-a", "-f")
    assert len(volumes(engine)) == 2
    do("run", "--name", "heir", "--network", "none", "--volumes-from", "owner", "alpine", "touch", "/anonymous/x")
    do("rm", "-v", "owner")
    assert len(volumes(engine)) == 2  # the heir has it too
    do("rm", "-v", "heir")
    assert volumes(engine) == ["things"]


def test_volumes_from(engine: Minidock, do: Do, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("of the host\n")
    do("run", "--name", "owner", "--network", "none", "-v", "one:/one", "-v", f"{tmp_path}:/two:ro", "-v", "/three",
       "--mount", "type=tmpfs,target=/four,tmpfs-size=1m", "alpine", "touch", "/one/a", "/three/b")  # fmt: skip
    script = "ls /one /three; cat /two/file; touch /one/x 2>&1; touch /two/x 2>&1; grep -c ' /four tmpfs' /proc/mounts"
    out = do(*QUIET, "--volumes-from", "owner", "alpine", "sh", "-c", script)
    assert out == (
        "/one:\na\n\n/three:\nb\nof the host\ntouch: /two/x: Read-only file system\n1\n"
    )  # fmt: skip
    out = do(*QUIET, "--volumes-from", "owner:ro", "-v", "other:/three", "alpine", "sh", "-c",
             "touch /one/y 2>&1; touch /three/y; ls /three")  # fmt: skip
    assert out == "touch: /one/y: Read-only file system\ny\n"
    assert volumes(engine) == sorted(["one", "other", *anonymous(do, "owner")])


def anonymous(do: Do, container: str) -> list[str]:
    """The names of a container's volumes that nobody named."""
    points = json.loads(do("inspect", container))[0]["Mounts"]
    return [point["Name"] for point in points if len(point.get("Name", "")) == 64]


def test_inspect(engine: Minidock, do: Do, tmp_path: Path) -> None:
    """What docker 20.10 shows for the same command (docker, inspect, "Mounts")."""
    do("run", "--name", "seen", "--network", "none", "-v", "one:/one:ro", "-v", "/anonymous", "-v",
       f"{tmp_path}:/b:ro,z", "-v", f"{tmp_path}:/b2", "--mount", "type=tmpfs,target=/t,tmpfs-size=2m,tmpfs-mode=700",
       "--mount", f"type=bind,src={tmp_path},dst=/mb,ro,bind-nonrecursive", "--mount",
       "type=volume,src=two,dst=/two,volume-nocopy,ro", "alpine", "true")  # fmt: skip
    shown = json.loads(do("inspect", "seen"))[0]
    (unnamed,) = anonymous(do, "seen")

    def volume(name: str, place: str, mode: str, writable: bool) -> dict[str, Any]:
        return {"Type": "volume", "Name": name, "Source": str(data(engine, name)), "Destination": place,
                "Driver": "local", "Mode": mode, "RW": writable, "Propagation": ""}  # fmt: skip

    def bind(place: str, mode: str, writable: bool) -> dict[str, Any]:
        return {"Type": "bind", "Source": str(tmp_path), "Destination": place, "Mode": mode, "RW": writable,
                "Propagation": "rprivate"}  # fmt: skip

    expected = [
        volume("one", "/one", "ro", False), bind("/b", "ro,z", False), bind("/b2", "", True),
        {"Type": "tmpfs", "Source": "", "Destination": "/t", "Mode": "", "RW": True, "Propagation": ""},
        bind("/mb", "", False), volume("two", "/two", "z", False), volume(unnamed, "/anonymous", "", True),
    ]  # fmt: skip
    assert shown["Mounts"] == expected
    names = do("inspect", "-f", "{{range .Mounts}}{{.Name}},{{end}}{{.HostConfig.Tmpfs}}", "seen").strip()
    assert names == f"one,,,,,two,{unnamed},map[]"  # what JSON leaves out is there for a template
    host = shown["HostConfig"]
    assert host["Binds"] == ["one:/one:ro", f"{tmp_path}:/b:ro,z", f"{tmp_path}:/b2"]
    assert host["Mounts"] == [
        {"Type": "tmpfs", "Target": "/t", "TmpfsOptions": {"SizeBytes": 2 << 20, "Mode": 0o700}},
        {"Type": "bind", "Source": str(tmp_path), "Target": "/mb", "ReadOnly": True,
         "BindOptions": {"NonRecursive": True}},
        {"Type": "volume", "Source": "two", "Target": "/two", "ReadOnly": True, "VolumeOptions": {"NoCopy": True}},
    ]  # fmt: skip
    assert shown["Config"]["Volumes"] == {"/anonymous": {}}


# What is in an image at the place of a volume


def image(engine: Minidock, name: str, tmp_path: Path, *changes: str) -> None:
    """An image of a busybox and a directory /d with all sorts of things in it."""
    archive = odd_archive(pipe=True, link_attributes={}, link="linked")
    words = [word for change in changes for word in ("--change", change)]
    done = engine("import", *words, "-", name, input=archive)
    assert done.returncode == 0, done.stderr


def tree(directory: Path) -> dict[str, tuple[Any, ...]]:
    """Everything about everything in a directory, and itself ("."), that a copy has to keep."""
    found = {}
    for path in [directory, *directory.rglob("*")]:
        status = path.lstat()
        kind = stat.S_IFMT(status.st_mode)
        content: Any = path.read_bytes() if stat.S_ISREG(kind) else None
        content = os.readlink(path) if stat.S_ISLNK(kind) else content
        xattrs = {name: os.getxattr(path, name, follow_symlinks=False)
                  for name in os.listxattr(path, follow_symlinks=False)}  # fmt: skip
        links = 1 if stat.S_ISDIR(kind) else status.st_nlink
        found[str(path.relative_to(directory))] = (status.st_mode, status.st_uid, status.st_gid, status.st_rdev,
                                                   status.st_mtime_ns, links, xattrs, content)  # fmt: skip
    return found


def test_first_use_copies_what_the_image_has_there(engine: Minidock, do: Do, tmp_path: Path) -> None:
    image(engine, "full", tmp_path)
    (layer,) = json.loads(do("inspect", "full"))[0]["GraphDriver"]["Data"]["LowerDir"].split(":")
    do(*QUIET, "-v", "copied:/d", "full", "/bin/busybox", "true")
    assert tree(data(engine, "copied")) == tree(Path(layer, "d"))
    inodes = {(data(engine, "copied") / name).stat().st_ino for name in ("file", "same")}
    assert len(inodes) == 1
    assert os.listdir(engine.root / "volumes/copied") == os.listdir(engine.root / "volumes/copied")
    out = do(*QUIET, "-v", "empty:/d:nocopy", "full", "/bin/busybox", "ls", "/d")
    assert (out, os.listdir(data(engine, "empty"))) == ("", [])
    do(*QUIET, "-v", "through:/linked", "full", "/bin/busybox", "true")
    assert tree(data(engine, "through")) == tree(Path(layer, "d/below"))


def test_only_an_empty_volume_is_filled(engine: Minidock, do: Do, tmp_path: Path) -> None:
    image(engine, "full", tmp_path)
    do(*QUIET, "-v", "used:/x", "full", "/bin/busybox", "touch", "/x/mine")
    assert do(*QUIET, "-v", "used:/d", "full", "/bin/busybox", "ls", "/d") == "mine\n"


def test_the_image_s_own_volumes(engine: Minidock, do: Do, tmp_path: Path) -> None:
    image(engine, "wants", tmp_path, 'VOLUME ["/d", "/new"]')
    do("run", "--name", "two", "--network", "none", "wants", "/bin/busybox", "touch", "/d/mine", "/new/mine")
    points = {point["Destination"]: point["Name"] for point in json.loads(do("inspect", "two"))[0]["Mounts"]}
    assert sorted(points) == ["/d", "/new"]
    assert sorted(os.listdir(data(engine, points["/d"]))) == sorted(
        ["below", "device", "file", "link", "mine", "pipe", "same"]
    )
    assert os.listdir(data(engine, points["/new"])) == ["mine"]
    do("rm", "-v", "two")
    do(*QUIET, "-v", "named:/d", "--tmpfs", "/new", "wants", "/bin/busybox", "true")
    assert volumes(engine) == ["named"]


def test_a_volume_on_etc_does_not_hide_the_files_for_names(engine: Minidock, do: Do) -> None:
    script = "head -1 /etc/hosts; cut -d ' ' -f 2 /proc/mounts | grep /etc"
    seen = do(*QUIET, "-v", "config:/etc:nocopy", "alpine", "sh", "-c", script)
    assert seen == "127.0.0.1\tlocalhost\n/etc\n/etc/resolv.conf\n/etc/hostname\n/etc/hosts\n"
    # Alpine has no resolv.conf; in a read-only volume its place cannot be made at the start: it comes with the copy.
    assert do(*QUIET, "-v", "fixed:/etc:ro", "alpine", "sh", "-c", script) == seen
    assert os.readlink(data(engine, "fixed") / "mtab") == "/proc/mounts"


def test_commit_keeps_the_anonymous_volumes(do: Do) -> None:
    do("run", "--name", "has", "--network", "none", "-v", "/anonymous", "-v", "named:/named", "alpine", "true")
    do("commit", "has", "kept")
    assert json.loads(do("inspect", "-f", "{{json .Config.Volumes}}", "kept")) == {"/anonymous": {}}
    do("rm", "-v", "has")
    assert do(*QUIET, "kept", "grep", "-c", " /anonymous ", "/proc/mounts") == "1\n"
    do("rmi", "kept")


def test_a_volume_is_seen_through_all_layers_of_an_image(engine: Minidock, do: Do, tmp_path: Path) -> None:
    """Files of two layers, one deleted and a directory hidden in the upper one, as overlayfs itself shows them."""
    from minidock.linux import copying, overlay

    lower, upper, copy = (tmp_path / name for name in ("lower", "upper", "copy"))
    for path in ("d/a", "d/gone", "d/both/lower", "d/hidden/x", "d/replaced/x"):
        (lower / path).parent.mkdir(parents=True, exist_ok=True)
        (lower / path).write_text("lower")
    for path in ("d/b", "d/both/upper", "d/hidden/y", "d/replaced"):
        (upper / path).parent.mkdir(parents=True, exist_ok=True)
        (upper / path).write_text("upper")
    os.mknod(upper / "d/gone", stat.S_IFCHR, 0)
    os.setxattr(upper / "d/hidden", overlay.OPAQUE, b"y")
    merged = tmp_path / "merged"
    for directory in (copy, merged):
        directory.mkdir()
    subprocess.run(["mount", "-t", "overlay", "-o", f"lowerdir={upper}:{lower}", "overlay", merged], check=True)
    try:
        copying.copy_tree(overlay.merged([str(upper), str(lower)], ["d"]), str(copy))
        seen = {str(path.relative_to(merged / "d")) for path in (merged / "d").rglob("*")}
        assert {str(path.relative_to(copy)) for path in copy.rglob("*")} == seen
        assert (copy / "hidden/y").read_text() == "upper"
        assert os.listxattr(copy / "hidden") == []
    finally:
        subprocess.run(["umount", merged], check=True)


def test_holes_stay_holes(tmp_path: Path) -> None:
    from minidock.linux import copying

    source, copy = tmp_path / "source", tmp_path / "copy"
    source.mkdir()
    copy.mkdir()
    with (source / "file").open("wb") as file:
        file.seek(64 << 20)
        file.write(b"end")
        file.truncate(128 << 20)
    copying.copy_tree([str(source)], str(copy))
    assert (copy / "file").stat().st_size == 128 << 20
    assert (copy / "file").stat().st_blocks * 512 < 1 << 20
    with (copy / "file").open("rb") as file:
        file.seek(64 << 20)
        assert file.read(4) == b"end\0"


# Volumes with --opt


def test_a_volume_with_a_file_system_of_its_own_is_mounted_while_it_is_used(engine: Minidock, do: Do) -> None:
    do("volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "-o", "o=size=1m,uid=12", "memory")
    place = str(data(engine, "memory"))
    script = "echo here >/m/file; echo; read x || true"
    first = engine.start(*QUIET, "-i", "-v", "memory:/m", "alpine", "sh", "-c", script,
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip
    assert first.stdin is not None
    assert first.stdout is not None
    first.stdout.readline()
    assert os.path.ismount(place)
    out = do(*QUIET, "-v", "memory:/m", "alpine", "sh", "-c", "cat /m/file; stat -c %u /m; grep ' /m ' /proc/mounts")
    assert out.startswith("here\n12\ntmpfs /m tmpfs rw,")
    assert "size=1024k" in out
    assert os.path.ismount(place)
    first.stdin.close()
    assert first.wait(30) == 0
    first.stdout.close()
    assert not os.path.ismount(place)
    assert do(*QUIET, "-v", "memory:/m:nocopy", "alpine", "ls", "/m") == ""


def test_a_volume_that_is_a_directory_of_the_host(engine: Minidock, do: Do, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("of the host\n")
    do("volume", "create", "-o", "type=none", "-o", f"device={tmp_path}", "-o", "o=bind", "bound")
    assert do(*QUIET, "-v", "bound:/b", "alpine", "cat", "/b/file") == "of the host\n"
    assert str(data(engine, "bound")) not in Path("/proc/self/mountinfo").read_text()
    do("volume", "rm", "bound")
    assert (tmp_path / "file").exists()


def test_a_volume_that_cannot_be_mounted(engine: Minidock, do: Do) -> None:
    do("volume", "create", "-o", "type=ext4", "-o", "device=/nowhere", "broken")
    done = engine(*QUIET, "-v", "broken:/b", "alpine", "true")
    assert done.returncode == 125
    assert b"error while mounting volume" in done.stderr
    assert done.stderr.count(b"\n") == 1


# Killed


@pytest.mark.parametrize("how", ["fail", "kill"])
def test_broken_at_any_kernel_call_no_volume_is_lost_or_left(
    engine: Minidock, do: Do, tmp_path: Path, how: str
) -> None:
    """At some of the calls that have to do with volumes; a named one is whole or empty, never half full."""
    image(engine, "full", tmp_path)
    do("volume", "create", "kept")
    (data(engine, "kept") / "precious").write_text("still here")
    options = ("--rm", "--network", "none", "-v", "/x", "-v", "kept:/kept", "-v", "named:/d")
    injector = Injector(engine, tmp_path, options, ("/bin/busybox", "true"), image="full")
    calls = injector.calls()
    whole = set(tree(data(engine, "named")))
    about = [number for number, (call, _) in enumerate(calls, 1) if "/volumes/" in call]
    assert len(about) > 20
    for number in about[:: max(1, len(about) // 12)]:
        do("volume", "rm", "named")
        assert getattr(injector, how)(number) == []
        do("volume", "ls")
        assert set(volumes(engine)) <= {"kept", "named"}, calls[number - 1]
        if "named" in volumes(engine):
            assert set(tree(data(engine, "named"))) in ({"."}, whole), calls[number - 1]
        else:
            do("volume", "create", "named")
        assert (data(engine, "kept") / "precious").read_text() == "still here"


def test_what_is_nested_deeper_than_a_path_is_long(engine: Minidock, do: Do) -> None:
    """Inside, paths are shorter than outside, where the directory's own path comes before them."""
    dig = "while mkdir -p $name/$name && cd $name/$name; do :; done 2>/dev/null"
    script = f"name={'d' * 200}; cd /d; {dig}; cd /root; {dig}; true"
    do("run", "--name", "deep", "--network", "none", "-v", "deep:/d", "alpine", "sh", "-c", script)
    assert "Local Volumes" in do("system", "df")
    do("rm", "deep")
    do("volume", "rm", "deep")
    assert [path.name for path in engine.root.glob("*/.removing-*")] == []


def test_events(engine: Minidock, do: Do) -> None:
    do("run", "--name", "user", "--network", "none", "-v", "told:/t:ro", "alpine", "true")
    container = json.loads(do("inspect", "user"))[0]["Id"]
    do("rm", "user")
    do("volume", "rm", "told")
    lines = (json.loads(line) for line in (engine.root / "events.log").read_text().splitlines())
    about = [(event["action"], event["attributes"]) for event in lines if event["id"] == "told"]
    mounted = {"container": container, "destination": "/t", "driver": "local", "propagation": "", "read/write": "false"}
    assert about == [
        ("create", {"driver": "local"}), ("mount", mounted),
        ("unmount", {"container": container, "driver": "local"}), ("destroy", {"driver": "local"}),
    ]  # fmt: skip


def test_a_container_keeps_its_volumes_however_often_it_starts(engine: Minidock, do: Do) -> None:
    script = "for f in /anonymous/f /named/f /memory/f; do echo x >>$f; wc -l <$f; done"
    options = ["-v", "/anonymous", "-v", "named:/named", "--mount", "type=tmpfs,dst=/memory"]
    first = do("run", "--name", "again", "--network", "none", *options, "alpine", "sh", "-c", script)
    names = anonymous(do, "again")
    second = do("start", "-a", "again")
    assert (first.split(), second.split()) == (["1", "1", "1"], ["2", "2", "1"])
    assert anonymous(do, "again") == names
    assert volumes(engine) == sorted(["named", *names])


def test_ten_at_once_on_one_new_volume(engine: Minidock, do: Do) -> None:
    """Whoever comes first fills it, and nobody sees half of it."""
    words = [*QUIET, "-v", "shared:/etc/apk", "alpine", "sh", "-c", "find /etc/apk | sort"]
    whole = do(*QUIET, "alpine", "sh", "-c", "find /etc/apk | sort")
    with ThreadPoolExecutor(10) as pool:
        done = list(pool.map(lambda _: engine(*words), range(10)))
    assert [(one.returncode, one.stdout.decode()) for one in done] == [(0, whole)] * 10, [one.stderr for one in done]
    assert volumes(engine) == ["shared"]


def test_a_volume_is_removed_or_used_but_never_both(engine: Minidock, do: Do) -> None:
    words = [*QUIET, "-v", "shared:/etc/apk", "alpine", "test", "-s", "/etc/apk/world"]
    with ThreadPoolExecutor(8) as pool:
        runs = [pool.submit(engine, *words) for _ in range(8)]
        removals = [pool.submit(engine, "volume", "rm", "shared") for _ in range(8)]
    assert [run.result().returncode for run in runs] == [0] * 8, [run.result().stderr for run in runs]
    for removal in removals:
        refused = removal.result().stderr.decode()
        assert not refused or "volume is in use" in refused or "no such volume" in refused


def test_a_volume_of_another_machine(engine: Minidock, do: Do) -> None:
    """The kernel is given an address, whatever it then says: there is no server, and perhaps no NFS."""
    for name, told in (("localhost", "addr=127.0.0.1"), ("nobody.invalid", "network volume address: nobody.invalid")):
        do("volume", "create", "-o", "type=nfs", "-o", "device=:/x", "-o", f"o=addr={name},soft,timeo=1", "far")
        done = engine(*QUIET, "-v", "far:/f", "alpine", "true")
        assert (done.returncode, done.stderr.count(b"\n")) == (125, 1)
        assert told in done.stderr.decode().replace("addr=::1", "addr=127.0.0.1")
        do("volume", "rm", "far")


def test_a_part_of_a_volume(engine: Minidock, do: Do) -> None:
    script = "mkdir -p /v/deep/er; echo here >/v/deep/er/file; ln -s deep/er /v/link; ln -s / /v/out; ln -s ../.. /v/up"
    do(*QUIET, "-v", "parts:/v", "alpine", "sh", "-c", script)
    for part, place in (("deep/er", "/d/file"), ("link", "/d/file"), ("deep/er/file", "/d")):
        option = f"source=parts,target=/d,volume-subpath={part}"
        assert do(*QUIET, "--mount", option, "alpine", "cat", place) == "here\n"
    option = "source=parts,target=/d,volume-subpath=deep,readonly"
    assert "Read-only" in do(*QUIET, "--mount", option, "alpine", "sh", "-c", "touch /d/x 2>&1; true")
    for part, why in (("nope", "no such file or directory"), ("out/etc", "path escapes from the volume"),
                      ("up", "path escapes from the volume")):  # fmt: skip
        done = engine(*QUIET, "--mount", f"source=parts,target=/d,volume-subpath={part}", "alpine", "true")
        assert done.returncode == 125
        path = data(engine, "parts") / part
        assert done.stderr.decode() == f"minidock: cannot access path {path}: {why}\n"
