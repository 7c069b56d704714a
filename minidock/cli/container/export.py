"""`minidock export`: write a container's files as one tar archive."""

from __future__ import annotations

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.flags.common import check_root
from minidock.cli.flags.entity_names import CONTAINER
from minidock.engine.state_paths import Paths


@usage.command(context_settings=HELP)
@usage.option("-o", "--output", metavar="FILE", help="Write to a file instead of standard output.")
@usage.argument("container", type=CONTAINER)
@usage.pass_paths
def export(paths: Paths, output: str | None, container: str) -> None:
    """Write all files of CONTAINER to a tar archive, without those of volumes."""
    from minidock.cli.archive_streams import deliver, refuse_terminal
    from minidock.engine.container import recovery
    from minidock.engine.files import export

    check_root()
    refuse_terminal(output)
    recovery.sweep_all(paths.root)
    deliver(export.export_container(paths.root, container), output)
