"""`--explain`: the commands that have it, and its values.

The flag is not one of click's: its value may be left away, the word after it may be an image, and whoever observes
has to be at work before anything is forked, so before the command line is parsed. So it is looked for twice: at the
very start, where a word like it begins the story, and when the command is known, where only the words before the
container's count.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from minidock.errors import EXIT_ENGINE, UsageError

if TYPE_CHECKING:
    from minidock.recorder.trace_socket import Recorder

STYLES = ("full", "brief", "json", "step", "shell")
# By the words that they begin with. What is created or started by another name is the same command.
COMMANDS = {"run", "create", "start", "restart", "exec", "stop", "kill", "pause", "unpause", "update", "rm", "pull",
            "load", "import", "commit", "cp"}  # fmt: skip
NOUN_COMMANDS = {"network": {"create", "rm", "connect", "disconnect"}, "volume": {"create", "rm"}}
_HELP = "Tell what the kernel is asked for: full, brief, json, step (waits before each step), shell (a script)."

_recorder: list[Recorder] = []


def begin(words: list[str]) -> None:
    """Before anything else: start to record, if a word of the command line looks like the flag.

    `build` has an account of its own, without a trace process.
    """
    if "build" in [word for word in words[1:] if not word.startswith("-")][:2]:
        return
    for word in words:
        if word == "--explain" or word.startswith("--explain="):
            from minidock.explain.trace import trace_process

            _recorder.append(trace_process.start(stepping=word.partition("=")[2].partition(":")[0] == "step"))
            return


def has(group: str, command: str) -> bool:
    """Whether `command`, in the group of that name, can be explained."""
    return command in NOUN_COMMANDS.get(group, COMMANDS)


def declare(command: click.Command) -> None:
    """Have the command's help show the flag, and its parser know it."""
    if not any(param.name == "explain" for param in command.params):
        command.params.append(_Flag(["--explain"], help=_HELP, expose_value=False))


class _Flag(click.Option):
    """As it is shown in a help text: its value can be left away."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str]:
        return "--explain[=STYLE[:FILE]]", self.help or ""


def take(command: click.Command, words: list[str]) -> list[str]:
    """The command's words without the flag. From here on the story is told, or dropped if nobody asked for it.

    Only what stands before the first word that is no option counts, if what follows may be the container's.
    """
    interspersed = command.context_settings.get("allow_interspersed_args", True)
    values = {name for param in command.params if isinstance(param, click.Option) and not param.is_flag
              for name in param.opts if name != "--explain"}  # fmt: skip
    rest, chosen, position = [], None, 0
    while position < len(words):
        word = words[position]
        if word == "--" or (not word.startswith("-") and not interspersed):
            break
        if word == "--explain" or word.startswith("--explain="):
            chosen = word.partition("=")[2] or "full"
            following = words[position + 1] if position + 1 < len(words) else ""
            if word == "--explain" and following.partition(":")[0] in STYLES:
                print(f"minidock: '{following}' is no value of --explain here; did you mean --explain={following}?",
                      file=sys.stderr)  # fmt: skip
        else:
            takes_next = word in values or (word[:2] != "--" and f"-{word[-1:]}" in values and "=" not in word)
            rest += words[position : position + 1 + takes_next]
            position += takes_next
        position += 1
    _tell(chosen)
    return [*rest, *words[position:]]


def _tell(chosen: str | None) -> None:
    if not _recorder:
        return
    if chosen is None:
        _recorder.pop().drop()
        return
    style, _, file = chosen.partition(":")
    if style not in STYLES:
        _recorder.pop().drop()
        known = ", ".join(STYLES)
        raise UsageError(f"invalid argument '{style}' for '--explain': it is one of {known}", exit_code=EXIT_ENGINE)
    if file:
        file = os.path.abspath(file)
        with open(file, "w", encoding="utf-8"):
            pass
    _recorder[0].choose(style, file)


def end() -> None:
    """The command is over: let the trace process end before the shell shows its prompt."""
    if _recorder:
        sys.stderr.flush()
        recorder = _recorder.pop()
        recorder.finish() if recorder.chosen else recorder.drop()
