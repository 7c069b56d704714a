"""A whole Dockerfile: the arguments before its first FROM, and its stages (reference, "FROM" and "ARG")."""

from __future__ import annotations

import re

from minidock.image.dockerfile import instructions, lines
from minidock.image.dockerfile.dockerfile_errors import DockerfileError
from minidock.image.dockerfile.instructions import Instruction
from minidock.image.dockerfile.lines import Line
from minidock.named_tuple import NamedTuple

_STAGE_NAME = re.compile(r"[a-z][a-z0-9_.-]*")


class Stage(NamedTuple):
    """`base` as written; `name` what AS calls it, in small letters, or \"\"; `origin`: its FROM."""

    base: str
    name: str
    platform: str
    origin: Instruction
    instructions: tuple[Instruction, ...]


class Dockerfile(NamedTuple):
    """`arguments`: the ARGs before the first FROM. `warnings`: (line, text)."""

    stages: tuple[Stage, ...]
    arguments: tuple[Instruction, ...]
    directives: dict[str, str]
    escape: str
    warnings: tuple[tuple[int, str], ...]


def parse(data: bytes) -> Dockerfile:
    """A Dockerfile's content. Raises `DockerfileError`."""
    source = lines.split(lines.decoded(data))
    arguments: list[Instruction] = []
    stages: list[Stage] = []
    for line in source.lines:
        found = instructions.parse(line, source.escape)
        if found.name == "FROM":
            stages.append(_stage(found))
        elif stages:
            stages[-1] = stages[-1]._replace(instructions=(*stages[-1].instructions, found))
        elif found.name == "ARG":
            arguments.append(found)
        else:
            raise DockerfileError("no build stage in current context", found.line)
    if not stages:
        raise DockerfileError("no build stage in current context", source.lines[-1].first)
    return Dockerfile(tuple(stages), tuple(arguments), source.directives, source.escape, source.warnings)


def _stage(origin: Instruction) -> Stage:
    args = origin.args
    name = ""
    if len(args) == 3 and args[1].lower() == "as":
        name = args[2].lower()
        if not _STAGE_NAME.fullmatch(name):
            raise DockerfileError(
                f'invalid name for build stage: "{args[2]}", name can\'t start with a number or contain symbols',
                origin.line,
            )
    elif len(args) != 1:
        raise DockerfileError("FROM requires either one or three arguments", origin.line)
    return Stage(args[0], name, origin.flag("platform"), origin, ())


def triggers(texts: list[str], escape: str = "\\") -> list[Instruction]:
    """The instructions that a base image's ONBUILD brings. Raises `DockerfileError`."""
    found = []
    for text in texts:
        source = lines.split(text)
        for line in source.lines:
            found.append(instructions.parse(Line(line.text, 0, 0, line.heredocs, ()), escape))
    return found
