"""What `minidock build` cannot do is told in one line, and leaves nothing: no image, container, mount or workspace."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.build.conftest import Context
from tests.engine.containers import eventually
from tests.support.command import Minidock

WRONG = {
    "": "dockerfile parse error on line 1: file with no instructions",
    "# only a comment\n": "dockerfile parse error on line 1: file with no instructions",
    "RUN true\n": "dockerfile parse error on line 1: no build stage in current context",
    "FROM alpine\nRUM true\n": "dockerfile parse error on line 2: unknown instruction: RUM (did you mean RUN?)",
    "FROM alpine\nRUN --device=vendor.com/gpu true\n": "line 2: unknown flag: --device",
    "FROM alpine\nARG of=alpine\nRUN --mount=from=$of,target=/x true\n": "'from' doesn't support variable expansion",
    "FROM alpine\nARG of=alpine\nCOPY --from=$of /x /x\n": "invalid reference format",
    "ARG only=arguments\n": "no build stage in current context",
    "FROM alpine\nCOPY --chwon=1 a b\n": "line 2: unknown flag: --chwon (did you mean chown?)",
    "FROM alpine\nCOPY nothing /x\n": 'COPY nothing /x: "/nothing": not found in the build context',
    "FROM alpine\nCOPY ../../etc/hostname /x\n": '"/etc/hostname": not found in the build context',
    "FROM alpine\nCOPY out/hostname /x\n": '"/out/hostname": not found in the build context',
    "FROM alpine\nCOPY --from=nobody:nowhere /x /y\n": "nobody:nowhere",
    "FROM alpine AS a\nCOPY --from=1 /x /y\nFROM a\n": "circular dependency detected on stage: a",
    "FROM alpine\nCOPY --from=1 /x /y\n": "invalid stage index 1: there are 1 stages",
    "FROM alpine AS a\nCOPY --from=a /etc/motd /x\n": "circular dependency detected on stage: a",
    "FROM $base\n": "dockerfile parse error on line 1: base name ($base) should not be blank",
    "FROM alpine\nRUN <<EOF\necho\n": "dockerfile parse error on line 2: unterminated heredoc",
    "FROM alpine\nEXPOSE 99999\n": "invalid containerPort: 99999",
    "FROM alpine\nRUN --mount=type=bad true\n": 'unsupported mount type "bad"',
    "FROM alpine\nCOPY --chmod=999 Dockerfile /x\n": "invalid chmod parameter: '999'",
    "FROM alpine\nENV a\n": "dockerfile parse error on line 2: ENV must have two arguments",
    "FROM alpine\nENV a=${a:?needed}\n": "a: needed",
    "FROM alpine\nUSER nobody-here\nRUN true\n": "nobody-here",
}


@pytest.mark.parametrize("dockerfile", WRONG, ids=[text[:40] for text in WRONG])
def test_a_wrong_dockerfile(context: Context, engine: Minidock, dockerfile: str) -> None:
    os.symlink("/etc", context.path / "out")
    before = state(engine)
    assert WRONG[dockerfile] in context.refused(dockerfile)
    assert engine("image", "inspect", context.name).returncode == 1
    assert state(engine) == before


def state(engine: Minidock) -> dict[str, list[str]]:
    """What a build may leave in the store when something goes wrong."""
    places = [engine.root / name for name in ("containers", "tmp")]
    return {place.name: sorted(os.listdir(place)) for place in places if place.exists()}


def test_no_dockerfile(engine: Minidock, tmp_path: Path) -> None:
    for words, why in (
        ([str(tmp_path)], "failed to read dockerfile: open Dockerfile: no such file or directory"),
        (["-f", "Other", str(tmp_path)], "failed to read dockerfile: open Other: no such file or directory"),
        ([str(tmp_path / "none")], f'unable to prepare context: path "{tmp_path}/none" not found'),
        (["--secret", "id=x,src=/none", str(tmp_path)], "secret x: /none: No such file or directory"),
        (["-t", "UPPER", str(tmp_path)], "repository name (library/UPPER) must be lowercase"),
    ):
        done = engine("build", *words)
        assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (1, b"", 1)
        assert why in done.stderr.decode()


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfFROM alpine\r\nRUN echo one \\\r\n  two > /x\r\nCOPY <<EOF /y\r\nlast\r\nEOF\r\n",
        b"FROM alpine\nRUN echo one two > /x\nCOPY <<EOF /y\nlast\nEOF\n",
    ],
)
def test_line_ends_and_byte_order_marks(context: Context, content: bytes) -> None:
    context.built(content.decode())
    assert context.run("cat /x") == "one two\n"


def test_two_hundred_stages(context: Context) -> None:
    stages = ["FROM scratch AS s0\nCOPY Dockerfile /f"]
    stages += [f"FROM scratch AS s{n}\nCOPY --from=s{n - 1} /f /f" for n in range(1, 200)]
    context.built("\n".join(stages) + "\n", "--target", "s5")
    assert "nothing" in context.refused("\n".join(stages) + "\nCOPY nothing /x\n", timeout=120)


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_build_that_is_killed_leaves_nothing(context: Context, engine: Minidock, sent: int) -> None:
    engine("image", "prune", "-f")
    before = state(engine)
    context.write("Dockerfile", "FROM alpine\nRUN echo begun > /f; echo started; sleep 1000\n")
    with engine.start("build", "-t", context.name, str(context.path), stderr=-1) as build:
        assert build.stderr
        for line in build.stderr:
            if line.endswith(b" started\n"):
                break
        build.send_signal(sent)
        assert build.wait(30) == (-sent if sent == signal.SIGKILL else 128 + sent)
    if sent == signal.SIGKILL:  # nobody cleans up but the next one who needs a workspace
        assert engine("image", "prune", "-f").returncode == 0
    eventually(lambda: state(engine) == before)
    assert engine("ps", "-aq").stdout == b""
    assert engine("image", "inspect", context.name).returncode == 1
