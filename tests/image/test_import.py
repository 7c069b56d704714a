"""Import: one layer, one config, one manifest, all or nothing; whatever happens meanwhile."""

import bz2
import fcntl
import gzip
import io
import json
import lzma
import os
import random
import re
import signal
import subprocess
import sys
import termios
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

import pytest
import zstandard

from minidock.errors import MinidockError, NotFoundError, UsageError
from minidock.image.compression import CorruptArchive
from minidock.image.digest import of_bytes
from minidock.image.importer import import_tarball
from minidock.image.reference import parse
from minidock.image.store import Store
from tests.engine.containers import eventually
from tests.image.tars import archive, directory, entry
from tests.support.command import Minidock

CONTENT = archive(directory("bin"), entry("bin/sh", content=os.urandom(100_000) + bytes(100_000)))
COMPRESSED = {
    "none": CONTENT,
    "gzip": gzip.compress(CONTENT),
    "gzip in members": gzip.compress(CONTENT[:1000]) + gzip.compress(CONTENT[1000:]),
    "bzip2": bz2.compress(CONTENT),
    "xz": lzma.compress(CONTENT),
    "xz in streams": lzma.compress(CONTENT[:1000]) + lzma.compress(CONTENT[1000:]) + bytes(8),
    "zstd": zstandard.compress(CONTENT),
    "zstd in frames": zstandard.compress(CONTENT[:1000]) + zstandard.compress(CONTENT[1000:]),
    "zstd with a skippable frame": b"\x50\x2a\x4d\x18\x04\x00\x00\x00note" + zstandard.compress(CONTENT),
}


class Trickle(io.RawIOBase):
    """A stream that gives few bytes at a time, as pipes and sockets may."""

    def __init__(self, content: bytes) -> None:
        self._content = io.BytesIO(content)

    def read(self, size: int = -1) -> bytes:
        return self._content.read(min(size, random.randint(1, 3000)))


@pytest.mark.parametrize("kind", COMPRESSED)
def test_every_compression_gives_the_same_layer(root: Path, kind: str) -> None:
    image = import_tarball(str(root), Trickle(COMPRESSED[kind]))
    assert image.layers == [of_bytes(CONTENT)]
    blob = (root / "images/blobs/sha256" / image.manifest["layers"][0]["digest"][7:]).read_bytes()
    assert gzip.decompress(blob) == CONTENT
    assert len(blob) == image.manifest["layers"][0]["size"]
    assert kind.startswith("gzip") == (blob == COMPRESSED[kind])


@pytest.mark.parametrize("kind", [kind for kind in COMPRESSED if kind != "none"])
@pytest.mark.parametrize("damage", ["cut", "cut a byte", "flip"])
def test_damaged_compression_is_refused(root: Path, kind: str, damage: str) -> None:
    content = COMPRESSED[kind]
    if damage == "flip":
        middle = len(content) // 2
        content = content[:middle] + bytes([content[middle] ^ 0x55]) + content[middle + 1 :]
        if "zstd" in kind:
            content = zstandard.ZstdCompressor(write_checksum=True).compress(CONTENT)
            content = content[:-1] + bytes([content[-1] ^ 1])
    else:
        content = content[: -9 if damage == "cut a byte" and kind == "xz in streams" else -1]
        content = content[: len(content) * 2 // 3] if damage == "cut" else content
    with pytest.raises(CorruptArchive):
        import_tarball(str(root), io.BytesIO(content))
    assert not (root / "layers").exists()
    assert Store(str(root)).list() == []


def test_config_and_names(root: Path, store: Store) -> None:
    image = import_tarball(
        str(root),
        io.BytesIO(CONTENT),
        parse("team/app:1"),
        [
            'CMD ["a", "b"]',
            "ENV A=1 B='x y'",
            "env C the rest",
            "ENV A=2",
            "LABEL k=v",
            "EXPOSE 80 53/udp 90-91",
            "USER me",
            "WORKDIR /srv",
            "WORKDIR www",
            "ENTRYPOINT exec x",
            "VOLUME /data /more",
            "STOPSIGNAL TERM",
            "ONBUILD RUN x",
        ],
        "by hand",
        {"Env": ["PATH=/bin"]},
    )
    assert image.config["config"] == {
        "Env": ["PATH=/bin", "A=2", "B=x y", "C=the rest"],
        "Cmd": ["a", "b"],
        "Labels": {"k": "v"},
        "User": "me",
        "ExposedPorts": {"80/tcp": {}, "53/udp": {}, "90/tcp": {}, "91/tcp": {}},
        "WorkingDir": "/srv/www",
        "Entrypoint": ["/bin/sh", "-c", "exec x"],
        "Volumes": {"/data": {}, "/more": {}},
        "StopSignal": "TERM",
        "OnBuild": ["RUN x"],
    }
    assert image.config["history"][0]["comment"] == "by hand"
    assert (image.os, image.size) == ("linux", 200_000)
    assert store.resolve("team/app:1") == store.resolve(image.id) == store.resolve(image.id[7:17]) == image
    assert store.list() == [(image, [parse("team/app:1")])]
    with pytest.raises(NotFoundError, match="No such image: team/app"):
        store.resolve("team/app")


@pytest.mark.parametrize(
    "change",
    [
        "RUN x",
        "ENV",
        "ENV A",
        "ENV =x",
        "EXPOSE http",
        "EXPOSE 70000",
        "STOPSIGNAL NO",
        "ENV a='b",
        "ONBUILD FROM x",
        'CMD ["a", 1]',
        "USER --name=x y",
        "HEALTHCHECK",
    ],
)
def test_changes_that_cannot_be(root: Path, change: str) -> None:
    with pytest.raises(UsageError):
        import_tarball(str(root), io.BytesIO(CONTENT), changes=[change])


@pytest.mark.parametrize(
    ("instruction", "check"),
    [
        ("none", {"Test": ["NONE"]}),
        ("CMD a  b", {"Test": ["CMD-SHELL", "a  b"]}),
        ('cmd ["a", "b c"]', {"Test": ["CMD", "a", "b c"]}),
        ('CMD "a b" c', {"Test": ["CMD-SHELL", '"a b" c']}),
        ('--interval="5s" -- CMD x', {"Test": ["CMD-SHELL", "x"], "Interval": 5_000_000_000}),
        ("--interval=1.5h --timeout=1m30s --start-period=0s --start-interval=2ms --retries=+4 CMD x",
         {"Test": ["CMD-SHELL", "x"], "Interval": 5400_000_000_000, "Timeout": 90_000_000_000,
          "StartInterval": 2_000_000, "Retries": 4}),
        ("--interval= --retries=0 CMD x", {"Test": ["CMD-SHELL", "x"]}),
    ],
)  # fmt: skip
def test_a_health_check_from_an_instruction(root: Path, instruction: str, check: dict[str, object]) -> None:
    """As docker 26 reads them."""
    image = import_tarball(str(root), io.BytesIO(CONTENT), changes=[f"HEALTHCHECK {instruction}"])
    assert image.config["config"] == {"Healthcheck": check}


@pytest.mark.parametrize(
    ("instruction", "why"),
    [
        ("NONE x", "HEALTHCHECK NONE takes no arguments"),
        ("CMD", "Missing command after HEALTHCHECK CMD"),
        ("CMD []", "Missing command after HEALTHCHECK CMD"),
        ("RUN x", 'Unknown type "RUN" in HEALTHCHECK (try CMD)'),
        ("--foo=1 CMD x", "unknown flag: --foo"),
        ("--interval=5s", "HEALTHCHECK requires at least one argument"),
        ("--interval=5 CMD x", 'time: missing unit in duration "5"'),
        ("--interval=5x CMD x", 'time: unknown unit "x" in duration "5x"'),
        ("--interval=3000000h CMD x", 'time: invalid duration "3000000h"'),
        ("--timeout=1us CMD x", 'Interval "timeout" cannot be less than 1ms'),
        ("--start-period=-1s CMD x", 'Interval "start-period" cannot be less than 1ms'),
        ("--interval CMD x", "missing a value on flag: --interval"),
        ("--interval=1s --interval=2s CMD x", "duplicate flag specified: --interval"),
        ("--retries=-1 CMD x", "--retries cannot be negative (-1)"),
        ("--retries=a CMD x", 'strconv.ParseInt: parsing "a": invalid syntax'),
        ("--retries=99999999999 CMD x", 'strconv.ParseInt: parsing "99999999999": value out of range'),
    ],
)
def test_health_checks_that_cannot_be(root: Path, instruction: str, why: str) -> None:
    with pytest.raises(UsageError, match=re.escape(why)):
        import_tarball(str(root), io.BytesIO(CONTENT), changes=[f"HEALTHCHECK {instruction}"])


def test_a_name_moves_and_the_old_image_stays(root: Path, store: Store) -> None:
    first = import_tarball(str(root), io.BytesIO(CONTENT), parse("app"))
    second = import_tarball(str(root), io.BytesIO(archive(entry("x"))), parse("app"))
    assert store.resolve("app") == second
    assert [(image.id, names) for image, names in store.list()] == [
        (second.id, [parse("app")]),
        (first.id, []),
    ]


def test_nothing_there(root: Path) -> None:
    for source, message in (("/nonexistent", "no such file"), (str(root), "cannot be read: Is a directory")):
        with pytest.raises(MinidockError, match=message):
            import_tarball(str(root), source)
    with pytest.raises(CorruptArchive, match="the tarball is empty"):
        import_tarball(str(root), io.BytesIO(b""))


# From the command line


def test_command_line(minidock: Minidock, tmp_path: Path) -> None:
    (tmp_path / "x.tar.gz").write_bytes(gzip.compress(CONTENT))
    done = minidock("import", "-c", 'CMD ["sh"]', "-m", "note", str(tmp_path / "x.tar.gz"), "cli/import:1")
    image_id = done.stdout.decode().strip()
    assert (done.returncode, image_id[:7], len(image_id)) == (0, "sha256:", 71)
    again = minidock("import", "-", "cli/import:2", input=CONTENT)
    shown = minidock("images", "cli/import").stdout.decode().splitlines()
    assert [line.split()[:3] for line in shown] == [
        ["REPOSITORY", "TAG", "IMAGE"],
        ["cli/import", "2", again.stdout.decode()[7:19]],
        ["cli/import", "1", image_id[7:19]],
    ]
    assert shown[1].endswith("200kB")
    assert minidock("images", "-q", "--no-trunc", "cli/import:1").stdout.decode().split() == [image_id]
    removed = minidock("rmi", "cli/import:1", "cli/import:2").stdout.decode().splitlines()
    assert removed == [
        "Untagged: cli/import:1",
        f"Deleted: {image_id}",
        "Untagged: cli/import:2",
        f"Deleted: {again.stdout.decode().strip()}",
        f"Deleted: {of_bytes(CONTENT)}",
    ]
    assert minidock("images", "cli/import").stdout.decode().count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "content", "message"),
    [
        (["-", "Bad/Name"], CONTENT, "invalid reference format"),
        (["-", f"a@sha256:{'0' * 64}"], CONTENT, "cannot import digest reference"),
        (["/no/such.tar"], b"", "open /no/such.tar: no such file or directory"),
        (["-"], b"", "the tarball is empty"),
        (["-"], b"no tar" * 200, "not a tar archive"),
        (["-"], gzip.compress(CONTENT)[:-5], "the gzip stream is damaged"),
        (["-"], archive(entry("../../x")), "leads out of it"),
        (["-c", "RUN x", "-"], CONTENT, "RUN is not a valid change command"),
    ],
)
def test_bad_input_is_one_line(minidock: Minidock, arguments: list[str], content: bytes, message: str) -> None:
    before = sorted(minidock.root.rglob("*"))
    done = minidock("import", *arguments, input=content)
    said = done.stderr.decode()
    assert (done.returncode, done.stdout, said.count("\n")) == (1, b"", 1)
    assert message in said
    assert [path for path in sorted(minidock.root.rglob("*")) if path not in before and "/tmp" not in str(path)] == []


def waiting(pipe: IO[bytes]) -> int:
    """The bytes in a pipe that nobody has read yet (FIONREAD of pipe(7))."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


def test_silent_standard_input_can_be_interrupted(minidock: Minidock) -> None:
    importer = minidock.start("import", "-", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert importer.stdin is not None
    importer.stdin.write(CONTENT[:1])
    importer.stdin.flush()
    eventually(lambda: waiting(importer.stdin) == 0)  # it has read that and waits for more
    importer.send_signal(signal.SIGINT)
    assert importer.wait(30) == 130
    importer.communicate()
    assert list((minidock.root / "tmp").iterdir()) == []


# Crashes, crowds, and full disks

IMPORTER = """
import sys
from minidock.image.importer import import_tarball
print(import_tarball(sys.argv[1], sys.argv[2]).id)
"""


def big_archive(path: Path) -> None:
    content = archive(*[entry(f"d{n % 7}/f{n}", content=os.urandom(2000)) for n in range(1500)])
    path.write_bytes(gzip.compress(content, 1))


def test_killed_at_any_moment(root: Path, tmp_path: Path, store: Store) -> None:
    """The next command finds a store that works, and sweeps away what the killed one left."""
    big_archive(tmp_path / "big.tar.gz")
    command = [sys.executable, "-c", IMPORTER, str(root), str(tmp_path / "big.tar.gz")]
    killed = 0
    started = time.monotonic()
    subprocess.run(command, check=True, capture_output=True)
    duration = time.monotonic() - started
    for attempt in range(12):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        time.sleep(duration * attempt / 12)
        process.kill()
        if process.wait() == -signal.SIGKILL:
            killed += 1
        else:  # the machine has become faster
            duration *= 0.8
        for image, _ in store.list():
            assert image.missing_layers == []
    assert killed > 4
    image = import_tarball(str(root), str(tmp_path / "big.tar.gz"), parse("after"))
    assert list((root / "tmp").iterdir()) == list(root.rglob("*.tmp")) == []
    assert len(list(Path(image.layer_paths[0]).rglob("f*"))) == 1500


def test_many_at_once(root: Path, tmp_path: Path, store: Store) -> None:
    big_archive(tmp_path / "big.tar.gz")
    command = [sys.executable, "-c", IMPORTER, str(root), str(tmp_path / "big.tar.gz")]
    with ThreadPoolExecutor(6) as pool:
        ids = {
            done.stdout
            for done in pool.map(lambda _: subprocess.run(command, capture_output=True, check=True), range(6))
        }
    assert len(ids) == len(store.list()) == 6
    assert len(list((root / "layers").glob("*.json"))) == 1
    for image, _ in store.list():
        store.remove(image.id, list)
    assert list((root / "layers").iterdir()) == list((root / "images/blobs/sha256").iterdir()) == []


def test_full_disk(tmp_path: Path) -> None:
    """On a tmpfs of 2 MB, in a mount namespace of its own: one line, and all space is free again."""
    (tmp_path / "x.tar").write_bytes(archive(*[entry(f"f{n}", content=os.urandom(100_000)) for n in range(40)]))
    (tmp_path / "small").mkdir()
    script = f"""
        mount -t tmpfs -o size=2m tmpfs {tmp_path}/small
        {sys.executable} -m minidock --root {tmp_path}/small import {tmp_path}/x.tar; echo "exit $?"
        find {tmp_path}/small -type f -size +0
        df --output=used {tmp_path}/small | tail -1
    """
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr.count("\n") == 1
    assert "No space left on device" in done.stderr
    lines = done.stdout.split("\n")
    assert lines[0] == "exit 1"
    assert int(lines[-2]) <= 8
    assert len(lines) == 3


def test_device_nodes_are_made_but_out_of_reach(root: Path) -> None:
    """As docker does. A container's device rules make them inert, and no user of the host gets to them."""
    import tarfile

    image = import_tarball(str(root), io.BytesIO(archive(entry("disk", tarfile.BLKTYPE, devmajor=8, mode=0o666))))
    assert os.lstat(Path(image.layer_paths[0]) / "disk").st_rdev == os.makedev(8, 0)
    denied = subprocess.run(
        [
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "cat",
            f"{image.layer_paths[0]}/disk",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Permission denied" in denied.stderr


@pytest.mark.interop
@pytest.mark.parametrize("tool", ["skopeo", "umoci"])
def test_other_tools_read_the_store(root: Path, tmp_path: Path, tool: str) -> None:
    for name in ("alpine:3", "localhost:5000/team/app:1.2"):
        image = import_tarball(str(root), io.BytesIO(CONTENT), parse(name), ['CMD ["x"]'])
        if tool == "skopeo":
            command = ["skopeo", "inspect", "--config", f"oci:{root}/images:{name}"]
            shown = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
            assert (shown["config"]["Cmd"], shown["rootfs"]["diff_ids"]) == (["x"], image.layers)
        else:
            target = tmp_path / image.id
            subprocess.run(
                ["umoci", "unpack", "--image", f"{root}/images:{name}", target],
                capture_output=True,
                check=True,
            )
            assert (target / "rootfs/bin/sh").stat().st_size == 200_000
