"""Do something for each of several names, and report each failure on its own."""

from __future__ import annotations

from typing import Any

from minidock.cli.echo import echo
from minidock.errors import MinidockError, message_of


def for_each(names: tuple[str, ...], work: Any, *, forgiving: bool = False, quiet: bool = False) -> int:
    """Do `work` for every name and print the name, unless `quiet`; 1 if any failed.

    `forgiving`: what is not there is no failure.
    """
    from minidock.errors import NotFoundError

    code = 0
    for name in names:
        try:
            work(name)
            if not quiet:
                echo(name)
        except (MinidockError, OSError) as error:
            echo(f"minidock: {message_of(error)}", err=True)
            code = code if forgiving and isinstance(error, NotFoundError) else 1
    return code
