"""Print a line and have it out at once: what comes next may print without this process (click.echo, without click)."""

from __future__ import annotations

import sys


def echo(text: object = "", *, nl: bool = True, err: bool = False) -> None:
    """Print `text` to standard output, or with `err` to standard error; with `nl`, a newline after it."""
    file = sys.stderr if err else sys.stdout
    if file:  # None, if the caller had closed it
        file.write(f"{text}\n" if nl else str(text))
        file.flush()
