"""What the prune commands print of what they removed."""

from __future__ import annotations

import click


def print_removed(title: str, names: list[str]) -> None:
    """Docker's list of what went, if anything did."""
    if names:
        click.echo(f"{title}:\n" + "".join(f"{name}\n" for name in names))
