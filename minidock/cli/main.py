"""The `minidock` command: what comes before a subcommand, and how all of them end."""

from __future__ import annotations

import os
import sys

import click

from minidock.cli import explain_flag
from minidock.cli.commands import TopLevel
from minidock.cli.flag_spelling import understood
from minidock.cli.flags.unsupported import DAEMON, with_flags
from minidock.errors import EXIT_ENGINE, MinidockError, is_expected, message_of

# `color`: click takes colours out of what goes into a pipe; but what is printed there is data (see `screen.py`).
_SETTINGS = {"help_option_names": ["--help"], "color": True}


@click.group(cls=TopLevel, invoke_without_command=False, context_settings=_SETTINGS)
@click.option("--root", metavar="DIRECTORY", help="Where images and containers are kept [/var/lib/minidock].")
@click.option("-D", "--debug", is_flag=True, help="Show a traceback for an error.")
@click.option("--config", metavar="DIRECTORY", help="Where registries' credentials are kept [~/.docker].")
@with_flags(DAEMON)
@click.version_option(None, "-v", "--version", package_name="minidock", message="minidock version %(version)s")
@click.pass_context
def cli(ctx: click.Context, root: str | None, debug: bool, config: str | None) -> None:
    """A container runtime in pure Python that shows how Docker works."""
    from minidock.engine import state_paths

    if config:
        os.environ["DOCKER_CONFIG"] = config
    ctx.obj = state_paths.choose(root)


def run_command_line() -> None:
    """Run the command line of this process. Ends the process with docker's exit codes."""
    if "_MINIDOCK_COMPLETE" in os.environ:  # a shell asks what may follow
        from minidock.cli import completion

        completion.answer(cli)
    arguments = sys.argv[1:]
    if any(stream and stream.isatty() for stream in (sys.stdout, sys.stderr)):
        from minidock.cli import screen

        screen.guard()
    try:
        try:
            result = cli.main(args=understood(cli, arguments), prog_name="minidock", standalone_mode=False)
        finally:
            explain_flag.end()
        code = result if isinstance(result, int) else 0
    except click.exceptions.Abort:
        code = 130
    except click.exceptions.NoArgsIsHelpError as error:  # a noun alone is a question, as for docker
        code = 0
        error.show()
    except click.ClickException as error:
        from minidock.cli.click_errors import complaint

        line, code = complaint(error)
        _complain(line)
    except MinidockError as error:
        code = error.exit_code
        _explain(error, arguments)
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:
        code = 141  # as if SIGPIPE had ended us: whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    except Exception as error:
        code = 130 if isinstance(error.__cause__, KeyboardInterrupt) else EXIT_ENGINE  # see `entry.main`
        if code == EXIT_ENGINE:
            _explain(error, arguments)
    _leave(code)


def _leave(code: int) -> None:
    """End at once: nothing is left that the interpreter would have to put in order."""
    try:
        if sys.stdout:  # None, if the caller had closed it
            sys.stdout.flush()
    except BrokenPipeError:
        code = 141
    except OSError as error:
        code = EXIT_ENGINE
        _complain(f"standard output: {error.strerror}")
    os._exit(code)


def _explain(error: Exception, arguments: list[str]) -> None:
    if arguments[:1] in (["--debug"], ["-D"]):
        import traceback

        traceback.print_exception(error)
    defect = " (a defect of minidock's: `minidock --debug ...` shows where)"
    _complain(message_of(error) + ("" if is_expected(error) else defect))


def _complain(message: str) -> None:
    """One line, whatever the message holds: an image's or a server's words may be meant for the terminal."""
    line = " ".join(message.split())
    shown = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in line)
    print(f"minidock: {shown}", file=sys.stderr, flush=True)
