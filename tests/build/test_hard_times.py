"""Builds in bad company: files that change meanwhile, other builds, prunes, a full disk, a kill at any moment."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path

import pytest

from tests.build.conftest import Context
from tests.engine.disks import on_disk
from tests.engine.injection import Injector
from tests.support.command import Minidock
from tests.support.swapping import exchanging


def test_a_link_that_is_put_there_while_files_are_copied(context: Context, tmp_path: Path) -> None:
    """The directory `d` is a link to one of the host's half of the time: what comes into the image is the context's."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "f").write_text("the host's")
    context.write("d/f", "the context's")
    os.symlink(outside, tmp_path / "link")
    with exchanging(context.path / "d", tmp_path / "link"):
        for _ in range(8):
            done = context.build("FROM scratch\nCOPY d /d\nCOPY d/f /f\n", "-o", "-", "--no-cache")
            assert b"the host's" not in done.stdout
            assert done.returncode in (0, 1)
            assert done.returncode == 0 or b"not found in the build context" in done.stderr.splitlines()[-1]


def test_a_file_that_changes_while_it_is_read_is_not_for_the_cache(context: Context) -> None:
    """Written to between its digest and its copy: whoever builds the first content again must not get the second."""
    first = b"first" * 100_000
    for number in range(30):  # time for the writer
        context.write(f"before/{number}", os.urandom(400_000))
    file = context.write("file", first)
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            file.write_bytes(b"%09d" % number * 50_000)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        done = context.build("FROM alpine\nCOPY before file /c/\n")
    finally:
        stop.set()
        writer.join()
    told = done.stderr.decode()
    assert "file changed while it was read: not for the cache" in told or "became shorter" in told
    file.write_bytes(first)
    context.built("FROM alpine\nCOPY before file /c/\n")
    assert context.run("sha256sum < /c/file; cat /c/file | head -c 5").endswith("-\nfirst")


def test_two_builds_of_the_same_at_once(context: Context, engine: Minidock) -> None:
    context.write("Dockerfile", "FROM alpine\nCOPY a /a\nRUN cat /a > /b && sleep 1\nRUN echo more > /c\n")
    context.write("a", "a")
    words = ("build", "--no-cache", "-t", context.name, str(context.path))
    builds = [engine.start(*words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for _ in range(3)]
    for build in builds:
        _, errors = build.communicate(timeout=120)
        assert build.returncode == 0, errors.decode()
    assert context.run("cat /a /b /c") == "aamore\n"


def test_builds_while_everything_is_pruned(context: Context, engine: Minidock) -> None:
    """A prune takes what builds keep, and never what one is at: it may only have to be done again."""
    context.write("a", "a\n")
    context.write("Dockerfile", "FROM alpine AS one\nRUN --mount=type=cache,target=/c echo x >> /c/x && cp /c/x /x\n"
                                "FROM alpine\nCOPY a /a\nCOPY --from=one /x /x\nRUN cat /a /x > /both\n")  # fmt: skip
    stop = threading.Event()
    failed: list[bytes] = []

    def prune() -> None:
        while not stop.is_set():
            for words in (["builder", "prune", "-a", "-f"], ["image", "prune", "-f"]):
                done = engine(*words)
                failed.extend([done.stderr] if done.returncode else [])

    pruner = threading.Thread(target=prune)
    pruner.start()
    try:
        for _ in range(4):
            done = context.minidock("build", "-t", context.name, str(context.path))
            assert done.returncode == 0, done.stderr.decode()
            assert context.run("tail -n 1 /both") == "x\n"
    finally:
        stop.set()
        pruner.join()
    assert failed == []


FULL = {
    "RUN": "FROM alpine\nRUN dd if=/dev/zero of=/big bs=1M count=60\n",
    "COPY": "FROM alpine\nCOPY big /big\n",
    "layer": "FROM alpine\nRUN dd if=/dev/urandom of=/big bs=1M count=12\n",
}


@pytest.mark.parametrize("where", FULL)
def test_a_full_disk(engine: Minidock, tmp_path: Path, where: str) -> None:
    """20 MB are there: too few for the command's file, the context's, or the layer beside the command's file."""
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "Dockerfile").write_text(FULL[where])
    (tmp_path / "context" / "big").write_bytes(os.urandom(30 << 20))
    (tmp_path / "disk").mkdir()
    done = on_disk(
        engine, tmp_path / "disk",
        f'minidock build -t full {tmp_path}/context; echo "exit $?"; minidock image inspect full; '
        'minidock ps -aq; ls "$MINIDOCK_ROOT/containers"; minidock image prune -f >/dev/null; ls "$MINIDOCK_ROOT/tmp"; '
        'printf "FROM alpine\\nRUN echo again > /f\\n" | minidock build -q -',
    )  # fmt: skip
    *lines, last = done.stdout.splitlines()
    assert lines == ["exit 1", "[]"]
    assert last.startswith("sha256:")
    assert "No space left on device" in done.stderr


def test_memory_does_not_grow_with_the_context(context: Context) -> None:
    """256 MB in one file, copied and bound: at most 150 MB, in each of the build's processes."""
    with open(context.path / "big", "wb") as file:
        file.truncate(256 << 20)
    context.write("Dockerfile", "FROM alpine\nCOPY big /big\nRUN --mount=type=bind,target=/ctx test -s /ctx/big\n")
    with context.minidock.start("build", "-t", context.name, str(context.path), stderr=subprocess.DEVNULL) as build:
        _, status, usage = os.wait4(build.pid, 0)
        build.returncode = os.waitstatus_to_exitcode(status)
    assert build.returncode == 0
    assert usage.ru_maxrss < 150 << 10  # in KiB, of the largest of it and its children (getrusage(2))


def test_long_here_documents(context: Context) -> None:
    long = "# " + "x" * 98 + "\n"
    context.built(
        f"FROM alpine\nCOPY <<EOF /long\n{long * 100_000}EOF\n"
        f"RUN <<EOF\n#!/bin/sh\n{long * 30_000}echo ran > /ran\nEOF\n"
    )
    assert context.run("wc -c < /long; cat /ran").split() == ["10100000", "ran"]
    told = context.refused(f"FROM alpine\nRUN <<EOF\n{long * 30_000}true\nEOF\n")
    assert "Argument list too long" in told or "argument list too long" in told
    assert "unterminated heredoc" in context.refused(f"FROM alpine\nRUN <<EOF\n{long * 100_000}")


def test_bytes_that_are_not_utf_8(context: Context) -> None:
    name = b"caf\xe9"
    (Path(os.fsdecode(os.fsencode(context.path) + b"/" + name))).write_text("latin")
    lines = (
        b"FROM alpine",
        b"COPY " + name + b" /" + name,
        b"RUN cat /caf* > /out && echo \xff\xfe >> /out",
        b"ENV odd=\xe9",
    )
    context.write("Dockerfile", b"\n".join(lines))
    done = context.minidock("build", "-t", context.name, str(context.path))
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    found = context.minidock("run", "--rm", "--network", "none", context.name, "cat", "/out").stdout
    assert found == b"latin\xff\xfe\n"


POINTS = 6  # of some hundred; MINIDOCK_TEST_ROUNDS takes so many more


def test_a_kill_at_any_point(context: Context, engine: Minidock, tmp_path: Path) -> None:
    """No image, container, mount or workspace stays of it, and the next build, with what cache there is, is right."""
    context.write("a", "a\n")
    context.write("Dockerfile",
                  "FROM alpine AS one\nCOPY a /a\nRUN --mount=type=cache,target=/c cp /a /c/ && cp /c/a b\n"
                                "FROM alpine\nWORKDIR /w\nCOPY --from=one /b .\n")  # fmt: skip
    words = ("build", "-q", "-t", context.name, str(context.path))
    injector = Injector(engine, tmp_path, words=words, before=("builder", "prune", "-a", "-f"))
    calls = injector.calls()
    points = POINTS * int(os.environ.get("MINIDOCK_TEST_ROUNDS", "1"))
    engine("rmi", "-f", context.name)
    for number in sorted({1 + len(calls) * each // points for each in range(points)}):
        wrong = injector.kill(number)
        assert wrong == [], calls[number - 1]
        assert engine("image", "prune", "-f").returncode == 0
        assert os.listdir(engine.root / "tmp") == [], calls[number - 1]
        assert engine(*words).returncode == 0, calls[number - 1]
        assert context.run("cat /w/b") == "a\n"
        engine("rmi", "-f", context.name)
