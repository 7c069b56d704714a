"""`minidock diff`: list the files that a container has changed."""

from __future__ import annotations

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.echo import echo
from minidock.cli.flags.common import check_root
from minidock.cli.flags.entity_names import CONTAINER
from minidock.engine.state_paths import Paths


@usage.command(context_settings=HELP)
@usage.argument("container", type=CONTAINER)
@usage.pass_paths
def diff(paths: Paths, container: str) -> None:
    """Show what CONTAINER has added (A), changed (C) and deleted (D)."""
    from minidock.engine.container import recovery
    from minidock.engine.files import diff

    check_root()
    recovery.sweep_all(paths.root)
    lines = [f"{kind} {path}\n" for kind, path in diff.changed(paths.root, container)]
    echo("".join(lines), nl=False)
