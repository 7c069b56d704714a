"""The build checks that look at a Dockerfile as a whole: names and letters (BuildKit, dockerfile2llb/validations.go).

Each gives (rule, what is wrong, first line, last line).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from minidock.errors import MinidockError
from minidock.image import reference
from minidock.image.dockerfile.dockerfile_errors import DockerfileError
from minidock.image.dockerfile.expand import Expansion
from minidock.image.dockerfile.instructions import Instruction
from minidock.image.dockerfile.stages import Dockerfile
from minidock.image.dockerfile.suggestions import did_you_mean

if TYPE_CHECKING:
    from minidock.build.checks import Subject

Row = tuple[str, str, int, int]
_RESERVED = ("context", "scratch")
_SECRET = re.compile(
    r"(?i)(?:_|^)(?:apikey|auth|credentials?|key|password|pword|passwd|secret|token)(?:_|$)"
)  # a whole word of a name
_NO_SECRET = re.compile(r"(?i)(?:_|^)(?:public|file|version)(?:_|$)")


def of_file(subject: Subject) -> Iterator[Row]:
    """What is wrong with the file, whatever is built of it."""
    file = subject.file
    for line, _ in file.warnings:
        yield "NoEmptyContinuation", "Empty continuation line", line, line
    yield from _letters(file)
    yield from _stage_names(file)
    yield from _default_bases(subject)
    for instruction in file.arguments:
        yield from of_argument(instruction)


def word_of(instruction: Instruction) -> str:
    """The instruction's name as it is written."""
    return instruction.text.split(maxsplit=1)[0]


def row(rule: str, detail: str, instruction: Instruction) -> Row:
    """What is wrong with one instruction."""
    return rule, detail, instruction.line, instruction.last


def _letters(file: Dockerfile) -> Iterator[Row]:
    every = [each for stage in file.stages for each in (stage.origin, *stage.instructions)]
    names = [word_of(each) for each in every]
    small = sum(name.islower() for name in names)
    is_small = small > sum(name.isupper() for name in names)
    for each, name in zip(every, names, strict=True):
        if not (name.islower() if is_small else name.isupper()):
            wanted = "lowercase" if is_small else "uppercase"
            detail = f"Command '{name}' should match the case of the command majority ({wanted})"
            yield row("ConsistentInstructionCasing", detail, each)


def _stage_names(file: Dockerfile) -> Iterator[Row]:
    seen: set[str] = set()
    for stage in file.stages:
        if not stage.name:
            continue
        word, written = stage.origin.args[1:3]
        if not written.islower():
            yield row("StageNameCasing", f"Stage name '{written}' should be lowercase", stage.origin)
        command = word_of(stage.origin)
        if (command.islower() and not word.islower()) or (command.isupper() and not word.isupper()):
            yield row("FromAsCasing", f"'{word}' and '{command}' keywords' casing do not match", stage.origin)
        if stage.name in _RESERVED:
            detail = f'Stage name should not use the same name as reserved stage "{stage.name}"'
            yield row("ReservedStageName", detail, stage.origin)
        if stage.name in seen:
            detail = f'Duplicate stage name "{stage.name}", stage names should be unique'
            yield row("DuplicateStageName", detail, stage.origin)
        seen.add(stage.name)
        yield from described("FROM", [stage.name], stage.origin)


def _default_bases(subject: Subject) -> Iterator[Row]:
    """FROM as it is where nobody gives a --build-arg."""
    values = dict(subject.outer.predefined)
    for instruction in subject.file.arguments:
        for name, default in instruction.pairs:
            if default is not None:
                values[name] = _expanded(default, values)
    for stage in subject.file.stages:
        base = _expanded(stage.base, values)
        try:
            reference.parse(base)
        except MinidockError:
            detail = f"Default value for ARG {stage.base} results in empty or invalid base image name"
            yield row("InvalidDefaultArgInFrom", detail, stage.origin)


def _expanded(text: str, values: dict[str, str]) -> str:
    try:
        return Expansion(values).word(text)
    except DockerfileError:
        return text


def of_argument(instruction: Instruction) -> Iterator[Row]:
    """An ARG, before the first FROM or in a stage."""
    for name, _ in instruction.pairs:
        yield from secret("ARG", name, instruction)
    yield from described("ARG", [name for name, _ in instruction.pairs], instruction)


def secret(kind: str, name: str, instruction: Instruction) -> Iterator[Row]:
    """A variable that seems to hold what nobody should read in the image's history."""
    if _SECRET.search(name) and not _NO_SECRET.search(name):
        detail = f'Do not use ARG or ENV instructions for sensitive data ({kind} "{name}")'
        yield row("SecretsUsedInArgOrEnv", detail, instruction)


def described(kind: str, names: list[str], instruction: Instruction) -> Iterator[Row]:
    """The comment above a stage or an argument, which tools show as its description."""
    if not instruction.comments or not names or instruction.comments[-1].split(" ")[0] in names:
        return
    example = names[0] if len(names) == 1 else "<arg_key>"
    detail = f"Comment for {kind} should follow the format: `# {example} <description>`"
    yield row("InvalidDefinitionDescription", detail, instruction)


def undefined(rule: str, text: str, expansion: Expansion, known: set[str], instruction: Instruction) -> Iterator[Row]:
    """Variables in `text` that nothing has defined."""
    try:
        expansion.word(text)
    except DockerfileError:  # told when it is built
        return
    for name, is_set in expansion.used.items():
        if is_set or name in known:
            continue
        if rule == "UndefinedArgInFrom":
            yield row(rule, f"FROM argument '{name}' is not declared{did_you_mean(name, known)}", instruction)
        else:
            hint = did_you_mean(name, known).replace("mean ", "mean $")
            yield row(rule, f"Usage of undefined variable '${name}'{hint}", instruction)


def quoted(text: str) -> str:
    """A string as Go prints it with %q."""
    return json.dumps(text, ensure_ascii=False)
