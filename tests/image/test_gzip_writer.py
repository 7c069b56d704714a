"""Gzip as layers are stored: any gunzip reads it, and what cannot be made smaller costs no time to try."""

from __future__ import annotations

import gzip
import random
import subprocess

import pytest

from minidock.image.gzip_writer import GzipWriter

NOISE = random.Random(0).randbytes(700_000)
CONTENTS = {
    "nothing": b"",
    "one byte": b"x",
    "text": b"the same again\n" * 50_000,
    "noise": NOISE,
    "mixed": b"the same again\n" * 30_000 + NOISE + b"and again\n" * 90_000 + NOISE[:3],
}


def packed(content: bytes, size: int) -> bytes:
    writer = GzipWriter()
    pieces = [writer.compress(content[start : start + size]) for start in range(0, len(content), size)]
    return b"".join([*pieces, writer.flush()])


@pytest.mark.parametrize("name", CONTENTS)
def test_gunzip_reads_it(name: str) -> None:
    content = CONTENTS[name]
    stream = packed(content, 1 << 16)
    assert gzip.decompress(stream) == content
    assert subprocess.run(["gzip", "-dc"], input=stream, capture_output=True, check=True).stdout == content
    assert len(stream) < len(content) * 1.001 + 40


@pytest.mark.parametrize("name", CONTENTS)
def test_the_result_does_not_depend_on_the_pieces(name: str) -> None:
    streams = {packed(CONTENTS[name], size) for size in (999, 1 << 18, 300_000, 1 << 22)}
    assert len(streams) == 1


def test_text_is_compressed() -> None:
    assert len(packed(CONTENTS["text"], 1 << 16)) < len(CONTENTS["text"]) / 20
