"""The `minidock` command: read its command line, do it, and end as docker's client would."""

from __future__ import annotations

import os
import sys

from minidock.cli import usual
from minidock.errors import EXIT_ENGINE, MinidockError, is_expected, message_of


def run_command_line() -> None:
    """Run the command line of this process. Ends the process with docker's exit codes."""
    if "_MINIDOCK_COMPLETE" in os.environ:  # a shell asks what may follow
        from minidock.cli import click_groups, completion

        completion.answer(click_groups.cli)
    arguments = sys.argv[1:]
    if any(stream and stream.isatty() for stream in (sys.stdout, sys.stderr)):
        from minidock.cli import screen

        screen.guard()
    try:
        call = usual.read(arguments)
        code = call() if call else _ask_click(arguments)
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


def _ask_click(arguments: list[str]) -> int:
    """Have click read the command line, and do what it asks for; the exit code."""
    import click

    from minidock.cli import explain_flag
    from minidock.cli.click_groups import cli
    from minidock.cli.flag_spelling import understood

    try:
        try:
            result = cli.main(args=understood(cli, arguments), prog_name="minidock", standalone_mode=False)
        finally:
            explain_flag.end()
        return result if isinstance(result, int) else 0
    except click.exceptions.Abort:
        return 130
    except click.exceptions.NoArgsIsHelpError as error:  # a noun alone is a question, as for docker
        error.show()
        return 0
    except click.ClickException as error:
        from minidock.cli.click_errors import complaint

        line, code = complaint(error)
        _complain(line)
        return code


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
