"""`minidock version`: show the version of minidock, Python and Linux."""

from __future__ import annotations

import os
import platform

from minidock import __version__
from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.echo import echo
from minidock.cli.format.single import FORMAT, formatted
from minidock.cli.format.template_values import Fields


@usage.command(context_settings=HELP)
@FORMAT
def version(template: str | None) -> None:
    """Show the version of minidock and of what it stands on."""
    if template:
        from minidock.engine.inspect import info

        echo(formatted(template, _Versions, info.version()))
        return
    echo(f"minidock version {__version__}, Python {platform.python_version()}, Linux {os.uname().release}")


class _Versions(Fields):
    go_type = "system.versionInfo"
