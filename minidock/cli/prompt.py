"""The question before something is removed that cannot be had back."""

from __future__ import annotations

import click


def confirmed(warning: str) -> bool:
    """Docker's question after its warning; anything but yes is no, and so is no answer."""
    click.echo(warning)
    try:
        return click.confirm("Are you sure you want to continue?", prompt_suffix=" ", default=False)
    except click.Abort:  # the end of the input
        click.echo()
        return False
