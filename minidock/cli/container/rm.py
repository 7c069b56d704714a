"""`minidock rm`: remove containers."""

from __future__ import annotations

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.flags.entity_names import CONTAINER
from minidock.cli.for_each import for_each
from minidock.engine.state_paths import Paths


@usage.command(context_settings=HELP)
@usage.option("-f", "--force", is_flag=True, help="Kill and remove a running container too.")
@usage.option("-l", "--link", is_flag=True, help="Remove a link, CONTAINER/ALIAS, and no container.")
@usage.option("-v", "--volumes", is_flag=True, help="Remove the volumes as well that were given no name.")
@usage.argument("names", metavar="CONTAINER...", nargs=-1, required=True, type=CONTAINER)
@usage.pass_paths
def rm(paths: Paths, force: bool, link: bool, volumes: bool, names: tuple[str, ...]) -> int:
    """Remove containers, each on its own: one that cannot be removed does not keep the others."""
    from minidock.engine.container import recovery
    from minidock.engine.container.rm import remove_container

    recovery.sweep_all(paths.root)

    def remove_one(name: str) -> None:
        if link:
            from minidock.engine.networks import legacy_links

            legacy_links.unlink(paths.root, name)
            return
        remove_container(paths.root, name, force=force, volumes=volumes)

    return for_each(names, remove_one, forgiving=force)
