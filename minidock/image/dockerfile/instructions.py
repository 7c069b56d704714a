"""One logical line as an instruction: its name, its flags, its arguments in the form that this instruction has.

Variables are not replaced here: what they stand for depends on the stage and on the lines before. What an instruction
does stands in `minidock/build/steps/`.
"""

from __future__ import annotations

import re

from minidock.image.dockerfile import flags, words
from minidock.image.dockerfile.dockerfile_errors import DockerfileError
from minidock.image.dockerfile.flags import Flags
from minidock.image.dockerfile.lines import Line
from minidock.image.dockerfile.suggestions import did_you_mean
from minidock.image.dockerfile.words import Heredoc
from minidock.named_tuple import NamedTuple

# How the arguments are written: a command in shell or exec form; words, or their JSON list; words; pairs; one text.
_COMMAND = ("CMD", "ENTRYPOINT", "RUN", "SHELL")
_WORDS_OR_JSON = ("ADD", "COPY", "VOLUME")
_WORDS = ("EXPOSE", "FROM")
_PAIRS = ("ENV", "LABEL")
_TEXT = ("MAINTAINER", "STOPSIGNAL", "USER", "WORKDIR")
NAMES = sorted([*_COMMAND, *_WORDS_OR_JSON, *_WORDS, *_PAIRS, *_TEXT, "ARG", "HEALTHCHECK", "ONBUILD"])

_NO_TRIGGER = ("FROM", "MAINTAINER")


class Instruction(NamedTuple):
    """`args`: the arguments; `pairs` those of ENV, LABEL and ARG instead, None for an ARG without a value.

    `is_json`: the exec form. `text`: the logical line; `line` and `last` its lines in the file, from 1.
    """

    name: str
    args: tuple[str, ...]
    pairs: tuple[tuple[str, str | None], ...]
    flags: Flags
    is_json: bool
    heredocs: tuple[Heredoc, ...]
    text: str
    line: int
    last: int
    comments: tuple[str, ...] = ()

    def flag(self, name: str, default: str = "") -> str:
        """The value of a flag that can be given once."""
        return self.flags.get(name, [default])[0]

    def is_set(self, name: str) -> bool:
        """Whether a boolean flag is true."""
        return self.flag(name) == "true"


def parse(line: Line, escape: str) -> Instruction:
    """The instruction of one line. Raises `DockerfileError` with the line's number."""
    try:
        return _parse(line, escape)
    except DockerfileError as error:
        raise error if error.line else DockerfileError(error.reason, line.first) from None


def _parse(line: Line, escape: str) -> Instruction:
    word, flag_words, rest = words.split_command(line.text, escape)
    name = word.upper()
    if name not in NAMES:
        raise DockerfileError(f"unknown instruction: {word}{did_you_mean(name, NAMES)}")
    args, pairs, is_json = _arguments(name, rest, escape)
    found = Instruction(
        name, tuple(args), tuple(pairs), flags.parse(name, flag_words), is_json, line.heredocs, line.text.strip(),
        line.first, line.last, line.comments,
    )  # fmt: skip
    _check(found, rest)
    return found


def _arguments(name: str, rest: str, escape: str) -> tuple[list[str], list[tuple[str, str | None]], bool]:
    """(words, pairs, whether they were a JSON list)."""
    if name in _PAIRS:
        return [], list(words.pairs(name, rest, escape)), False
    if name == "ARG":
        return [], [_optional(word) for word in words.quoted(rest, escape)], False
    if name == "HEALTHCHECK":
        kind, command = [*rest.split(maxsplit=1), "", ""][:2]
        listed = words.json_list(command)
        return (
            [kind, *(listed if listed is not None else [command.strip()] * bool(command.strip()))],
            [],
            listed is not None,
        )
    if name in _COMMAND or name in _WORDS_OR_JSON:
        listed = words.json_list(rest)
        if listed is not None:
            return listed, [], True
    if name in _WORDS or name in _WORDS_OR_JSON:
        return words.separated(rest), [], False
    return [rest] * bool(rest), [], False


def _optional(word: str) -> tuple[str, str | None]:
    name, equals, value = word.partition("=")
    if not name:
        raise DockerfileError("ARG names can not be blank")
    return name, value if equals else None


def _check(instruction: Instruction, rest: str) -> None:
    """Refuse a wrong number of arguments, in docker's words."""
    name, args = instruction.name, instruction.args
    if name in _TEXT and len(args) != 1:
        raise DockerfileError(f"{name} requires exactly one argument")
    if name in ("ADD", "COPY") and len(args) < 2:
        raise DockerfileError(
            f"{name} requires at least two arguments, but only one was provided. Destination could not be determined"
        )
    if name in ("ADD", "COPY") and words.heredoc(args[-1]):
        raise DockerfileError(f"{name} cannot accept a heredoc as a destination")
    if name in ("EXPOSE", "VOLUME", "ONBUILD", "SHELL") and not args:
        raise DockerfileError(f"{name} requires at least one argument")
    if name == "ARG" and not instruction.pairs:
        raise DockerfileError("ARG requires at least one argument")
    if name == "VOLUME" and not all(arg.strip() for arg in args):
        raise DockerfileError("VOLUME specified can not be an empty string")
    if name == "SHELL" and not instruction.is_json:
        raise DockerfileError("SHELL requires the arguments to be in JSON form")
    if name == "HEALTHCHECK":
        _check_health(args)
    if name == "ONBUILD":
        _check_trigger(rest)


def _check_health(args: tuple[str, ...]) -> None:
    kind = args[0].upper()
    if not kind:
        raise DockerfileError("HEALTHCHECK requires at least one argument")
    if kind == "NONE" and len(args) > 1:
        raise DockerfileError("HEALTHCHECK NONE takes no arguments")
    if kind not in ("NONE", "CMD"):
        raise DockerfileError(f'Unknown type "{kind}" in HEALTHCHECK (try CMD)')
    if kind == "CMD" and len(args) < 2:
        raise DockerfileError("Missing command after HEALTHCHECK CMD")


def _check_trigger(rest: str) -> None:
    trigger = rest.split(maxsplit=1)[0].upper()
    if trigger == "ONBUILD":
        raise DockerfileError("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")
    if trigger in _NO_TRIGGER:
        raise DockerfileError(f"{trigger} isn't allowed as an ONBUILD trigger")


def trigger_text(instruction: Instruction) -> str:
    """What an ONBUILD puts into the image: the line behind it, with its here-documents."""
    text = re.sub(r"(?i)^\s*ONBUILD\s*", "", instruction.text)
    return text + "".join(f"\n{heredoc.content}{heredoc.name}" for heredoc in instruction.heredocs)
