"""Commands that lead a container through its life, after its creation."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from minidock.cli.commands import HELP
from minidock.cli.container.rm import for_each
from minidock.cli.flags.attach import attachment_of, check_terminal, warn, with_attachment
from minidock.cli.flags.common import flag
from minidock.cli.flags.unsupported import CHECKPOINT, with_flags
from minidock.engine.paths import Paths
from minidock.errors import ConflictError, MinidockError

NAMES = click.argument("names", metavar="CONTAINER...", nargs=-1, required=True)


@click.command(context_settings=HELP)
@flag("-a --attach", "Attach to its output, pass signals on, and end as it ends.")
@flag("-i --interactive", "Attach standard input too.")
@with_attachment
@with_flags(CHECKPOINT)
@NAMES
@click.pass_obj
def start(paths: Paths, /, names: tuple[str, ...], **flags: Any) -> int:
    """Start containers that are created or have ended."""
    from minidock.engine.container import create
    from minidock.engine.monitor import attach_client

    if not flags["attach"] and not flags["interactive"]:
        return for_each(names, lambda name: start_detached(paths, name))
    if len(names) > 1:
        raise ConflictError("you cannot start and attach multiple containers at once")
    streams = [*(["stdin"] if flags["interactive"] else []), "stdout", "stderr"]
    attachment = attachment_of(streams, flags)
    try:
        return attach_client.run(paths, partial(create.lock_for_start, paths.root, names[0]), attachment, warn)[1]
    except create.AlreadyUp as up:
        return attach_client.attach(up.record, attachment, warn)
    except MinidockError as error:
        error.exit_code = 1  # as in docker: only `run` tells by its exit code what failed
        raise


def start_detached(paths: Paths, name: str) -> None:
    """Start one container; nothing is to be done if it runs."""
    from minidock.engine.container import create
    from minidock.engine.monitor import attach_client

    try:
        attach_client.run(paths, partial(create.lock_for_start, paths.root, name), attach_client.DETACHED, warn)
    except create.AlreadyUp:
        return


@click.command(context_settings=HELP)
@flag("--no-stdin", "Do not attach standard input.")
@with_attachment
@click.argument("name", metavar="CONTAINER")
@click.pass_obj
def attach(paths: Paths, /, name: str, no_stdin: bool, **flags: Any) -> int:
    """Attach standard input, output and error to a running container."""
    from minidock.engine.container import cleanup, records
    from minidock.engine.monitor import attach_client

    cleanup.sweep_all(paths.root)
    record = records.find(paths.root, name)
    if record.status == records.PAUSED:
        raise ConflictError("You cannot attach to a paused container, unpause it first")
    if record.status == records.RESTARTING:
        raise ConflictError("You cannot attach to a restarting container, wait until it is running")
    options = record.data["options"]
    takes_input = options["interactive"] and not no_stdin
    attachment = attachment_of([*["stdin"] * takes_input, "stdout", "stderr"], flags)
    check_terminal(attachment, is_terminal=options["tty"])
    return attach_client.attach(record, attachment, warn)


@click.command(context_settings=HELP)
@NAMES
@click.pass_obj
def wait(paths: Paths, names: tuple[str, ...]) -> int:
    """Wait until containers have ended, and print their exit codes."""
    from minidock.engine.container import cleanup
    from minidock.engine.container import stop as control

    cleanup.sweep_all(paths.root)
    return for_each(names, lambda name: click.echo(control.wait(paths.root, name)), quiet=True)


_TIMEOUT = click.option("-t", "--time", "--timeout", "timeout", type=int, metavar="SECONDS",
                        help="How long to wait before it is killed; -1: for ever [10].")  # fmt: skip

_SIGNAL = click.option("-s", "--signal", "signal", default="", metavar="SIGNAL",
                       help="Which signal asks it to end [its stop signal].")  # fmt: skip


@click.command(context_settings=HELP)
@_SIGNAL
@_TIMEOUT
@NAMES
@click.pass_obj
def stop(paths: Paths, names: tuple[str, ...], timeout: int | None, signal: str) -> int:
    """Stop containers: with their stop signal, and SIGKILL some time later."""
    from minidock.engine.container import cleanup
    from minidock.engine.container import stop as control

    cleanup.sweep_all(paths.root)
    return for_each(names, lambda name: control.stop(paths.root, name, timeout, signal=signal))


@click.command(context_settings=HELP)
@_SIGNAL
@_TIMEOUT
@NAMES
@click.pass_obj
def restart(paths: Paths, names: tuple[str, ...], timeout: int | None, signal: str) -> int:
    """Stop containers that run, and start them again."""
    from minidock.engine.container import cleanup
    from minidock.engine.container import stop as control

    cleanup.sweep_all(paths.root)

    return for_each(names, lambda name: control.restart(
        paths.root, name, timeout, lambda record: start_detached(paths, record.id), signal=signal))  # fmt: skip


@click.command(context_settings=HELP)
@click.option("-s", "--signal", "signal", default="KILL", metavar="SIGNAL", help="Which signal [KILL].")
@NAMES
@click.pass_obj
def kill(paths: Paths, names: tuple[str, ...], signal: str) -> int:
    """Send containers a signal."""
    from minidock.engine.container import cleanup
    from minidock.engine.container import stop as control

    cleanup.sweep_all(paths.root)
    return for_each(names, lambda name: control.kill(paths.root, name, signal))


@click.command(context_settings=HELP)
@NAMES
@click.pass_obj
def pause(paths: Paths, names: tuple[str, ...]) -> int:
    """Freeze all processes of containers."""
    from minidock.engine.container import cleanup
    from minidock.engine.container import stop as control

    cleanup.sweep_all(paths.root)
    return for_each(names, lambda name: control.pause(paths.root, name))


@click.command(context_settings=HELP)
@NAMES
@click.pass_obj
def unpause(paths: Paths, names: tuple[str, ...]) -> int:
    """Let paused containers go on."""
    from minidock.engine.container import cleanup
    from minidock.engine.container import stop as control

    cleanup.sweep_all(paths.root)
    return for_each(names, lambda name: control.unpause(paths.root, name))


@click.command(context_settings=HELP)
@click.argument("name", metavar="CONTAINER")
@click.argument("new", metavar="NEW_NAME")
@click.pass_obj
def rename(paths: Paths, name: str, new: str) -> None:
    """Give a container another name."""
    from minidock.engine.container import stop as control

    control.rename(paths.root, name, new)
