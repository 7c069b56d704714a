"""`minidock version`: show the version of minidock, Python and Linux."""

from __future__ import annotations

import os
import sys

from minidock import __version__
from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.echo import echo
from minidock.cli.format.single import FORMAT, formatted


@usage.command(context_settings=HELP)
@FORMAT
def version(template: str | None) -> None:
    """Show the version of minidock and of what it stands on."""
    if template:
        from minidock.cli.format.template_values import Fields
        from minidock.engine.inspect import info

        class Versions(Fields):
            go_type = "system.versionInfo"

        echo(formatted(template, Versions, info.version()))
        return
    echo(f"minidock version {__version__}, Python {sys.version.split()[0]}, Linux {os.uname().release}")
