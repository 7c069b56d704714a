"""What a build says when it fails: the marked lines of the Dockerfile, a command's last lines, what was meant."""

from __future__ import annotations

import pytest

from tests.build.conftest import Context


def test_a_failed_command(context: Context) -> None:
    lines = "".join(f"RUN true {number}\n" for number in range(4, 8))
    dockerfile = f"FROM alpine\n\nRUN for i in $(seq 20); do echo line $i; done; \\\n    exit 3\n{lines}"
    done = context.build(dockerfile)
    told = done.stderr.decode().splitlines()
    assert done.returncode == 1
    command = "for i in $(seq 20); do echo line $i; done;     exit 3"
    start = told.index("------")
    assert told[start - 1].startswith(f"#2 ERROR: line 3: RUN {' '.join(command.split())}: process ")
    assert told[start + 1] == f" > [stage-0 2/6] RUN {' '.join(command.split())}:"
    assert [line.split(" ", 1)[1] for line in told[start + 2 : start + 12]] == [f"line {n}" for n in range(11, 21)]
    assert told[start + 12 : -1] == [
        "------",
        "Dockerfile:3",
        "--------------------",
        "   2 |     ",
        "   3 | >>> RUN for i in $(seq 20); do echo line $i; done; \\",
        "   4 | >>>     exit 3",
        "   5 |     RUN true 4",
        "--------------------",
    ]
    assert told[-1].startswith("minidock: failed to solve: ")
    shown = " ".join(command.split())
    assert told[-1].endswith(f'process "/bin/sh -c {shown}" did not complete successfully: exit code: 3')
    quiet = context.build(dockerfile, "-q").stderr.decode().splitlines()
    assert quiet[0] == "------"
    assert quiet[-1] == told[-1]


MEANT = {
    "FROM alpine\nRUM true\n": (2, "unknown instruction: RUM (did you mean RUN?)"),
    "FROM alpine\nCOPPY a b\n": (2, "unknown instruction: COPPY (did you mean COPY?)"),
    "FROM alpine\nSOMETHING else\n": (2, "unknown instruction: SOMETHING"),
    "FROM alpine\n\n\nCOPY --form=x a b\n": (4, "unknown flag: --form (did you mean from?)"),
    "FROM alpine\nRUN --mount=tpe=cache,target=/x true\n": (2, "in 'tpe=cache' (did you mean type?)"),
    "FROM alpine\nRUN --mount=type=cash,target=/x true\n": (2, 'unsupported mount type "cash" (did you mean cache?)'),
    "FROM alpine\nEXPOSE port\n": (2, "invalid containerPort: port"),
}


@pytest.mark.parametrize("dockerfile", MEANT)
def test_the_line_is_marked(context: Context, dockerfile: str) -> None:
    line, message = MEANT[dockerfile]
    told = context.build(dockerfile).stderr.decode().splitlines()
    assert told[-1].endswith(message)
    assert told.count("--------------------") == 2
    assert f"Dockerfile:{line}" in told
    assert f"{line:4} | >>> {dockerfile.splitlines()[line - 1]}" in told


def test_a_target_that_is_nearly_there(context: Context) -> None:
    told = context.refused("FROM alpine AS build\n", "--target", "biuld")
    assert told == 'failed to solve: target stage "biuld" could not be found (did you mean build?)'


def test_a_long_here_document_is_cut(context: Context) -> None:
    done = context.build("FROM alpine\nRUN <<EOF\n" + "echo \x1b[31m\n" * 3000 + "exit 1\nEOF\n")
    told = done.stderr.decode()
    assert told.count(" | >>> ") < 30
    assert "\x1b" not in told.partition("--------------------")[2]
