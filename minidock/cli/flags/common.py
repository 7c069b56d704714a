"""What the flags of several commands are made of, in a module of its own: those commands need little else."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from minidock.cli import usage
from minidock.cli.flags.entity_names import CONTAINER, RUNNING_CONTAINER
from minidock.engine.request import values
from minidock.errors import UsageError

if TYPE_CHECKING:
    import click

# What follows the image is the container's. -h is --hostname here.
CONTEXT = {"allow_interspersed_args": False, "help_option_names": ["--help"]}


def flag(short: str, help_: str, default: bool | None = False) -> usage.Option:
    """A switch --x that can also be turned off with --x=false."""
    names, (name, *_) = short.split(), [word.lstrip("-") for word in short.split() if word.startswith("--")]
    return usage.option(*names[:-1], f"{names[-1]}/--no-{name}", default=default, help=help_)


def list_option(
    name: str,
    help_: str,
    metavar: str = "TEXT",
    short: str | None = None,
    type: usage.Kind | None = None,
) -> usage.Option:
    """An option that can be given again and again."""
    names = [short, name] if short else [name]
    return usage.option(*names, multiple=True, metavar=metavar, help=help_, type=type)


def content_trust(exit_code: int) -> usage.Option:
    """Docker's --disable-content-trust, which it has on: turned off, signatures would have to be checked or made."""

    def check(_: click.Context, __: click.Parameter, disabled: bool) -> None:
        if not disabled:
            raise UsageError("content trust is not supported: no signature of an image would be checked or made",
                             exit_code=exit_code)  # fmt: skip

    names = "--disable-content-trust/--no-disable-content-trust"
    return usage.option(names, default=True, hidden=True, expose_value=False, callback=check)


# An image is here for one platform, so that this is a check.
PLATFORM = usage.option("--platform", default="", metavar="OS/ARCH[/VARIANT]", help="Only if the image is for this.")

CONTAINERS = usage.argument("names", metavar="CONTAINER...", nargs=-1, required=True, type=CONTAINER)
RUNNING_CONTAINERS = usage.argument("names", metavar="CONTAINER...", nargs=-1, required=True, type=RUNNING_CONTAINER)


def check_root() -> None:
    """Namespaces and mounts need root. Say so before anything fails half-way."""
    if os.geteuid() != 0:
        raise values.fail("minidock needs root to make namespaces, mounts and networks")
