"""The question before something is removed that cannot be had back."""

from __future__ import annotations

import click


def confirmed(warning: str, filters: tuple[str, ...] = ()) -> bool:
    """Docker's question, with the filters that narrow down what goes; anything but yes is no, and so is no answer."""
    click.echo(warning)
    if filters:
        click.echo("".join(["", "  Items to be pruned will be filtered with:\n", *(f"  - {f}\n" for f in filters)]))
    try:
        return click.confirm("Are you sure you want to continue?", prompt_suffix=" ", default=False)
    except click.Abort:  # the end of the input
        click.echo()
        return False
