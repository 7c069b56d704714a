"""What all prune commands have in common: two flags, a question before anything is removed, and a report after it."""

from __future__ import annotations

from collections.abc import Iterable

from minidock.cli import usage
from minidock.cli.echo import echo

FORCE = usage.option("-f", "--force", is_flag=True, help="Do not ask first.")


def filter_option(names: str) -> usage.Option:
    """--filter, again and again; `names` of filters are for its help."""
    return usage.option("--filter", "filters", multiple=True, metavar="NAME=VALUE", help=names)


def confirmed(warning: str, *, force: bool) -> bool:
    """Docker's question after its `warning`, unless `force`; anything but yes is no, and so is no answer."""
    if force:
        return True
    echo(f"WARNING! {warning}")
    import click

    try:
        return click.confirm("Are you sure you want to continue?", prompt_suffix=" ", default=False)
    except click.Abort:  # the end of the input
        echo()
        return False


def print_removed(kind: str, names: Iterable[str]) -> None:
    """Docker's list of what was removed, if anything was; `kind` in docker's words, as "Containers"."""
    lines = "".join(f"{name}\n" for name in names)
    if lines:
        echo(f"Deleted {kind}:\n{lines}")


def print_reclaimed(count: int, warning: str = "") -> None:
    """How many bytes that has freed; `warning` says what has kept it from more."""
    from minidock.cli.format.units import size

    echo(f"Total reclaimed space: {size(count, 4)}")
    if warning:
        echo(f"WARNING: {warning}", err=True)
