"""`minidock volume create`: create a volume."""

from __future__ import annotations

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.echo import echo
from minidock.cli.flags.unsupported import CLUSTER_VOLUME
from minidock.engine.state_paths import Paths
from minidock.errors import UsageError


@usage.command(context_settings=HELP)
@usage.option("-d", "--driver", default="", metavar="local", help="Driver; there is one.")
@usage.option("--label", "labels", multiple=True, metavar="KEY[=VALUE]", help="Set a label.")
@usage.option("--name", "other", hidden=True, help="Name, as docker once took it.")
@usage.option("-o", "--opt", "options", multiple=True, metavar="KEY=VALUE",
              help="Mount a file system while it is used: type, device and o, as mount(8) has them.")  # fmt: skip
@usage.with_parameters(CLUSTER_VOLUME)
@usage.argument("name", metavar="[VOLUME]", required=False)
@usage.pass_paths
def create(
    paths: Paths, driver: str, labels: tuple[str, ...], other: str | None, options: tuple[str, ...], name: str | None
) -> None:
    """Make a volume. Without a name it gets one that nobody else has."""
    from minidock.cli.flags import key_values
    from minidock.engine.request import values
    from minidock.engine.volumes import volumes

    if other and name:
        raise UsageError(
            "conflicting options: cannot specify a volume-name through both --name and as a positional arg"
        )
    made = volumes.create(paths.root, name or other or "", driver=driver, labels=key_values.labels(labels),
                          options=values.key_values(options))  # fmt: skip
    echo(made.name)
