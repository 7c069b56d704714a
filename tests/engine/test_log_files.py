"""A log as it is on disk. Expected records are those of docker's json-file driver for the same output."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
from pathlib import Path
from typing import Any

import pytest

from minidock.engine.logs.log_files import leave_out, open_all
from minidock.engine.logs.log_reader import Wanted, follow
from minidock.engine.logs.log_writer import Log
from minidock.engine.logs.rotation_links import RotationLinks

Record = dict[str, Any]
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,8}[1-9])?Z")


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "x-json.log")


def records(path: str) -> list[Record]:
    return [json.loads(line) for line in Path(path).read_bytes().split(b"\n")[:-1]]


def texts(path: str) -> list[str]:
    return [record["log"] for record in records(path)]


def write(path: str, *blocks: bytes, **settings: Any) -> None:
    log = Log(path, **settings)
    for block in blocks:
        log.write("stdout", block)
    log.close()


def test_a_record_is_docker_s(path: str) -> None:
    write(path, b"hello\n")
    assert re.fullmatch(r'\{"log":"hello\\n","stream":"stdout","time":"[^"]*"\}\n', Path(path).read_text())
    assert TIME.fullmatch(records(path)[0]["time"])


@pytest.mark.parametrize(
    ("printed", "escaped"),
    [
        (b'"q" \\ /', rb"\"q\" \\ /"),
        (b"\t\r\0\x1b[0m\x7f", b"\\u0009\\r\\u0000\\u001b[0m\x7f"),
        (b"<a href='&'>", rb"\u003ca href='\u0026'\u003e"),
        ("é 日本 😀".encode(), "é 日本 😀".encode()),
        ("a\u2028b\u2029".encode(), rb"a\u2028b\u2029"),
        (b"\xff\xe2\x82 \xed\xa0\x80", rb"\ufffd\ufffd\ufffd \ufffd\ufffd\ufffd"),
        (b"", b""),
    ],
)
def test_escapes_are_docker_s(path: str, printed: bytes, escaped: bytes) -> None:
    write(path, printed + b"\n")
    assert Path(path).read_bytes().startswith(b'{"log":"' + escaped + b'\\n","stream"')
    assert texts(path) == [printed.decode(errors="replace") + "\n"] or b"\\ufffd" in escaped


def test_lines_are_put_together_and_the_last_one_needs_no_newline(path: str) -> None:
    write(path, b"a", b"b\nc\n\nd", b"", b"e")
    assert texts(path) == ["ab\n", "c\n", "\n", "de"]


def test_streams_do_not_mix(path: str) -> None:
    log = Log(path)
    log.write("stdout", b"out")
    log.write("stderr", b"err\n")
    log.write("stdout", b"put\n")
    log.close()
    assert [(r["stream"], r["log"]) for r in records(path)] == [("stderr", "err\n"), ("stdout", "output\n")]


def test_long_lines_are_cut_at_16_kilobytes(path: str) -> None:
    size = 16384
    write(path, b"x" * size + b"\n" + b"y" * (size - 1) + b"\n" + b"z" * (2 * size + 1) + b"\n")
    assert texts(path) == ["x" * size, "\n", "y" * (size - 1) + "\n", "z" * size, "z" * size, "z\n"]


def test_no_character_is_cut(path: str) -> None:
    line = "a" + "é" * 20000
    write(path, line.encode() + b"\n")
    assert "".join(texts(path)) == line + "\n"


def test_attributes_are_in_every_record(path: str) -> None:
    write(path, b"a\nb\n", attributes={"k": "v", "l": 'w"'})
    assert [record["attrs"] for record in records(path)] == [{"k": "v", "l": 'w"'}] * 2
    assert list(records(path)[0]) == ["log", "stream", "attrs", "time"]


def test_rotation_loses_nothing_that_fits(path: str) -> None:
    lines = [f"line {number}\n" for number in range(100)]
    write(path, "".join(lines).encode(), max_size=1000, max_file=3)
    assert sorted(os.listdir(os.path.dirname(path))) == ["x-json.log", "x-json.log.1", "x-json.log.2"]
    kept = texts(f"{path}.2") + texts(f"{path}.1") + texts(path)
    assert kept == lines[-len(kept) :]
    for name in (f"{path}.2", f"{path}.1"):
        # Full: the next one begins when a record reaches the size, which that record may exceed.
        assert 1000 <= os.path.getsize(name) < 1100
    assert os.path.getsize(path) < 1100


def test_one_file_begins_anew(path: str) -> None:
    write(path, b"".join(b"%d\n" % number for number in range(100)), max_size=1000, max_file=1)
    assert os.listdir(os.path.dirname(path)) == ["x-json.log"]
    assert texts(path)[-1] == "99\n"


def test_an_old_log_is_continued(path: str) -> None:
    write(path, b"one\n")
    write(path, b"two\n")
    assert texts(path) == ["one\n", "two\n"]


@pytest.mark.parametrize("cut", [1, 10, 60])
def test_half_a_record_of_a_killed_writer_is_cut_off(path: str, cut: int) -> None:
    write(path, b"one\ntwo\n")
    os.truncate(path, os.path.getsize(path) - cut)
    write(path, b"three\n")
    assert texts(path) == ["one\n", "three\n"]


def test_a_killed_writer_leaves_whole_lines(path: str) -> None:
    child = os.fork()
    if child == 0:
        log = Log(path)
        for number in range(1 << 30):
            log.write("stdout", b"line %d\n" % number)
    while not os.path.exists(path) or os.path.getsize(path) < 1 << 16:
        continue
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    whole = [line for line in texts(path)]
    assert whole == [f"line {number}\n" for number in range(len(whole))]


def test_a_full_disk_costs_lines_and_nothing_else(path: str) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    log = Log(path)
    log.write("stdout", b"one\n")
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
        log.write("stdout", b"too much\n")
        assert log.failure is not None
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    log.write("stdout", b"three\n")
    log.close()
    assert log.failure is None
    assert texts(path) == ["one\n", "three\n"]


@pytest.mark.parametrize("tail", [0, 1, 3, 10, 11, 29, 30, 31, 1000])
def test_the_last_lines_of_several_files(path: str, tail: int) -> None:
    lines = [f"{number}\n" for number in range(30)]
    write(path, "".join(lines).encode(), max_size=800, max_file=9)
    files = open_all(path)
    assert len(files) > 2
    leave_out(files, tail)
    found = [record["log"] for file in files for block in file.records() for record in block]
    assert found == (lines[-tail:] if tail else [])
    for file in files:
        file.close()


def test_a_writer_killed_while_it_rotates_costs_a_reader_nothing(path: str) -> None:
    """Killed after the link for the reader and before the renaming: the next writer appends to the same file."""
    write(path, b"1\n2\n")
    moments = iter(range(100))

    def goes_on() -> bool:
        """What happens between two looks of the reader."""
        moment = next(moments)
        if moment == 1:
            RotationLinks(path).keep(100)
        elif moment == 2:
            write(path, b"3\n")
        elif moment == 3:
            write(path, b"4\n5\n6\n", max_size=200, max_file=2)  # rotated at once, being full
        return moment < 5

    found = [record["log"] for block in follow(path, Wanted(), goes_on, pytest.fail) for record in block]
    assert found == [f"{number}\n" for number in range(1, 7)]


def test_a_reader_that_is_far_behind_is_told(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minidock.engine.logs.rotation_links._LINKS", 3)
    warnings: list[str] = []
    moments = iter(range(100))

    def goes_on() -> bool:
        moment = next(moments)
        if moment == 1:
            write(path, b"".join(b"%d\n" % number for number in range(1, 100)), max_size=100, max_file=1)
        return moment < 6

    write(path, b"0\n")
    found = [int(record["log"]) for block in follow(path, Wanted(), goes_on, warnings.append) for record in block]
    assert found == sorted(set(found))
    assert found[0] == 0
    assert found[-1] == 99
    assert len(found) < 100
    assert len(warnings) == 1
