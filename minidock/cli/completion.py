"""`minidock completion`: scripts with which bash, zsh and fish complete minidock's command lines.

click does the work: each script calls `minidock` with the words so far in the environment (click.palletsprojects.com,
"Shell Completion"). Ours are the names of what exists (`flags/entity_names.py`), and for bash a script that copes with
the colon of `alpine:3.23`, where bash ends a word (bash(1), COMP_WORDBREAKS).
"""

from __future__ import annotations

import os
from typing import NoReturn

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    add_completion_class,
    get_completion_class,
    split_arg_string,
)

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.echo import echo
from minidock.errors import MinidockError

VARIABLE = "_MINIDOCK_COMPLETE"  # such as "bash_complete"
_PROGRAM = "minidock"
_SHELLS = ("bash", "zsh", "fish")

# What is inserted replaces only what is behind the last colon: that much is cut from the front of each answer.
_BASH = """\
%(complete_func)s() {
    local type value before=
    local word=${COMP_LINE:0:COMP_POINT}
    word=${word##*[[:space:]]}
    [[ $word == *:* && $COMP_WORDBREAKS == *:* ]] && before=${word%%:*}:
    COMPREPLY=()
    while IFS=, read -r type value; do
        case $type in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            plain) COMPREPLY+=("${value#"$before"}"); [[ $value == *: ]] && compopt -o nospace ;;
        esac
    done < <(COMP_LINE=${COMP_LINE:0:COMP_POINT} %(complete_var)s=bash_complete "$1" 2>/dev/null)
}

complete -o nosort -F %(complete_func)s %(prog_name)s
"""


class _Bash(BashComplete):
    """bash hands over its whole line up to the cursor, not words that it has split at colons."""

    source_template = _BASH

    def get_completion_args(self) -> tuple[list[str], str]:
        line = os.environ.get("COMP_LINE", "")
        words = split_arg_string(line)[1:]
        if line[-1:].isspace() or not words:
            return words, ""
        return words[:-1], words[-1]

    def format_completion(self, item: CompletionItem[str]) -> str:
        return f"{item.type},{item.value}"


add_completion_class(_Bash)


@usage.command(context_settings=HELP)
@usage.argument("shell", type=usage.Choice(_SHELLS), metavar="bash|zsh|fish")
def completion(shell: str) -> None:
    """Print the script with which a shell completes minidock's command lines.

    \b
    At once, in this shell:   source <(minidock completion bash)
    For all new shells:       minidock completion bash > /etc/bash_completion.d/minidock
                              minidock completion zsh > "${fpath[1]}/_minidock"
                              minidock completion fish > ~/.config/fish/completions/minidock.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None
    echo(kind(click.Command(_PROGRAM), {}, _PROGRAM, VARIABLE).source(), nl=False)


def answer(program: click.Command) -> NoReturn:
    """Answer a shell that asks what may follow, and end. A line that is wrong anyway has no answer."""
    shell, _, instruction = os.environ[VARIABLE].partition("_")
    kind = get_completion_class(shell)
    if kind is None or instruction != "complete":
        os._exit(1)
    try:
        answers = kind(program, {}, _PROGRAM, VARIABLE).complete()
    except (click.ClickException, MinidockError, OSError):
        answers = ""
    os.write(1, answers.encode() + b"\n")
    os._exit(0)
