"""The build checks that follow a stage from line to line (BuildKit, dockerfile2llb/convert.go).

Each gives (rule, what is wrong, first line, last line).
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from minidock.build.check_rules import Row, of_argument, quoted, row, secret, undefined, word_of
from minidock.image.dockerfile import words
from minidock.image.dockerfile.expand import Expansion
from minidock.image.dockerfile.instructions import Instruction
from minidock.image.dockerfile.stages import Stage

if TYPE_CHECKING:
    from minidock.build.checks import Subject

_ALL = ("*", "**", "**/*")
_ONCE = ("CMD", "ENTRYPOINT", "HEALTHCHECK")


class _State:
    """One stage so far. `names`: the variables that are defined, None where the base image is not known."""

    def __init__(self, names: set[str] | None, *, has_shell: bool, has_workdir: bool) -> None:
        self.names = names
        self.has_shell = has_shell
        self.has_workdir = has_workdir
        self.used: dict[str, Instruction] = {}


def of_stages(subject: Subject) -> Iterator[Row]:
    """What is wrong with the lines of each stage that counts."""
    states: dict[str, _State] = {}
    for number, stage in enumerate(subject.file.stages):
        state = _begun(subject, stage, states)
        found = [*_origin(subject, stage), *_lines(subject, stage, state)]
        if stage.name:
            states[stage.name] = state
        if number in subject.numbers:
            yield from found


def _begun(subject: Subject, stage: Stage, states: dict[str, _State]) -> _State:
    base = subject.outer.expansion().word(stage.base)
    above = states.get(base.lower())
    if above:
        names = None if above.names is None else set(above.names)
        return _State(names, has_shell=above.has_shell, has_workdir=above.has_workdir)
    if base == "scratch":
        return _State({"PATH"}, has_shell=False, has_workdir=False)
    image = subject.base(base, subject.outer.expansion().word(stage.platform))
    names = {"PATH", *image.names} if image else None
    return _State(names, has_shell=bool(image and image.has_shell), has_workdir=False)


def _origin(subject: Subject, stage: Stage) -> Iterator[Row]:
    """The FROM itself."""
    outer, origin = subject.outer, stage.origin
    declared = {name for instruction in subject.file.arguments for name, _ in instruction.pairs}
    known = {*outer.predefined, *declared}
    yield from undefined("UndefinedArgInFrom", stage.base, outer.expansion(), known, origin)
    if not stage.platform:
        return
    yield from undefined("UndefinedArgInFrom", stage.platform, outer.expansion(), known, origin)
    if stage.platform in ("$TARGETPLATFORM", "${TARGETPLATFORM}"):
        detail = f"Setting platform to predefined {stage.platform} in FROM is redundant as this is the default behavior"
        yield row("RedundantTargetPlatform", detail, origin)
    parts = stage.platform.split("/")
    if "$" not in stage.platform and not any(part in stage.name for part in parts[:2]):
        detail = f"FROM --platform flag should not use constant value {quoted(stage.platform)}"
        yield row("FromPlatformFlagConstDisallowed", detail, origin)
    base = outer.expansion().word(stage.base)
    platform = outer.expansion().word(stage.platform)
    image = subject.base(base, platform)
    if image and image.platform.split("/")[:2] != platform.split("/")[:2]:
        detail = (
            f'Base image {base} was pulled with platform "{image.platform}", expected "{platform}" for current build'
        )
        yield row("InvalidBaseImagePlatform", detail, origin)


def _lines(subject: Subject, stage: Stage, state: _State) -> Iterator[Row]:
    for instruction in stage.instructions:
        if instruction.name in _ONCE:
            if instruction.name in state.used:
                before = state.used[instruction.name]
                detail = f"Multiple {word_of(instruction)} instructions should not be used in the same stage"
                yield row("MultipleInstructionsDisallowed", f"{detail} because only the last one will be used", before)
            state.used[instruction.name] = instruction
        yield from _variables(instruction, state)
        if rule := _RULES.get(instruction.name):
            yield from rule(subject, instruction, state)
        _define(instruction, state)


def _variables(instruction: Instruction, state: _State) -> Iterator[Row]:
    if state.names is None:
        return
    known = state.names
    if instruction.name == "ARG":
        known = known | {name for name, _ in instruction.pairs}
    for text in _expanded(instruction):
        yield from undefined("UndefinedVar", text, Expansion(dict.fromkeys(known, "x")), known, instruction)
    for heredoc in instruction.heredocs if instruction.name in ("ADD", "COPY") else ():
        if heredoc.expand:
            expansion = Expansion(dict.fromkeys(known, "x"))
            expansion.plain(heredoc.text)
            for name, is_set in expansion.used.items():
                if not is_set:
                    yield row("UndefinedVar", f"Usage of undefined variable '${name}'", instruction)


def _expanded(instruction: Instruction) -> list[str]:
    """The words of an instruction in which variables are replaced."""
    name = instruction.name
    if name in ("ADD", "COPY"):
        listed = [arg for arg in instruction.args if not (instruction.heredocs and words.heredoc(arg))]
        return [
            *listed,
            *(value for flag in ("chown", "chmod", "exclude") for value in instruction.flags.get(flag, [])),
        ]
    if name in ("ENV", "LABEL", "ARG"):
        return [text for key, value in instruction.pairs for text in (key, value or "")]
    if name == "RUN":
        return instruction.flags.get("mount", [])
    return list(instruction.args) if name in ("WORKDIR", "USER", "VOLUME", "STOPSIGNAL") else []


def _define(instruction: Instruction, state: _State) -> None:
    if instruction.name in ("ARG", "ENV") and state.names is not None:
        state.names |= {name for name, _ in instruction.pairs}
    elif instruction.name == "SHELL":
        state.has_shell = True
    elif instruction.name == "WORKDIR":
        state.has_workdir = True


def _env(subject: Subject, instruction: Instruction, state: _State) -> Iterator[Row]:
    yield from _legacy(subject, instruction, state)
    for name, _ in instruction.pairs:
        yield from secret("ENV", name, instruction)


def _legacy(subject: Subject, instruction: Instruction, state: _State) -> Iterator[Row]:
    """`ENV name value`."""
    command, _, rest = words.split_command(instruction.text, subject.file.escape)
    first = words.quoted(rest, subject.file.escape)[:1]
    if first and "=" not in first[0]:
        detail = f'"{command} key=value" should be used instead of legacy "{command} key value" format'
        yield row("LegacyKeyValueFormat", detail, instruction)


def _arg(subject: Subject, instruction: Instruction, state: _State) -> Iterator[Row]:
    yield from of_argument(instruction)


def _command(subject: Subject, instruction: Instruction, state: _State) -> Iterator[Row]:
    if instruction.args and not instruction.is_json and not state.has_shell:
        detail = f"JSON arguments recommended for {word_of(instruction)} to prevent unintended behavior"
        yield row("JSONArgsRecommended", f"{detail} related to OS signals", instruction)


def _maintainer(subject: Subject, instruction: Instruction, state: _State) -> Iterator[Row]:
    yield row("MaintainerDeprecated", "Maintainer instruction is deprecated in favor of using label", instruction)


def _workdir(subject: Subject, instruction: Instruction, state: _State) -> Iterator[Row]:
    path = instruction.args[0]
    if not state.has_workdir and not path.strip("\"'").startswith(("/", "$")):
        detail = f"Relative workdir {quoted(path)} can have unexpected results if the base image changes"
        yield row("WorkdirRelativePath", detail, instruction)


def _expose(subject: Subject, instruction: Instruction, state: _State) -> Iterator[Row]:
    for port in instruction.args:
        protocol = port.partition("/")[2]
        if protocol != protocol.lower():
            detail = f"Defined protocol '{port}' in EXPOSE instruction should be lowercase"
            yield row("ExposeProtoCasing", detail, instruction)
        if ":" in port and "$" not in port:
            detail = "EXPOSE instruction should not define an IP address or host-port mapping"
            yield row("ExposeInvalidFormat", f"{detail}, found '{port}'", instruction)


def _copy(subject: Subject, instruction: Instruction, state: _State) -> Iterator[Row]:
    """A source that .dockerignore leaves out. Where that has exceptions, nobody can say without looking."""
    if not subject.ignored or subject.ignored.has_exceptions or instruction.flag("from"):
        return
    for source in instruction.args[:-1]:
        if "://" in source or (instruction.heredocs and words.heredoc(source)):
            continue
        path = posixpath.normpath(source)
        is_root = path in (".", "/")
        if is_root and not any(pattern in _ALL for pattern in subject.ignored.lines):
            continue
        if is_root or subject.ignored.excludes(path.lstrip("/")):
            command = "Copy" if instruction.name == "COPY" else "Add"
            detail = f"Attempting to {command} file {quoted(path)} that is excluded by .dockerignore"
            yield row("CopyIgnoredFile", detail, instruction)


_RULES: dict[str, Callable[[Subject, Instruction, _State], Iterator[Row]]] = {
    "ADD": _copy,
    "ARG": _arg,
    "CMD": _command,
    "COPY": _copy,
    "ENTRYPOINT": _command,
    "ENV": _env,
    "EXPOSE": _expose,
    "LABEL": _legacy,
    "MAINTAINER": _maintainer,
    "WORKDIR": _workdir,
}
