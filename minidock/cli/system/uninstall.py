"""`minidock system uninstall`: remove what minidock has left on this host."""

from __future__ import annotations

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.echo import echo
from minidock.cli.flags.common import check_root
from minidock.cli.pruning import FORCE, confirmed
from minidock.engine.state_paths import Paths

_ALWAYS = """This will remove from this host:
  - the bridges and other interfaces of networks
  - the packet filter's rules for containers
  - the containers' common cgroup
  - downloads and caches
"""
_ALL = "  - all containers, images, volumes and networks, and what builds keep\n"


@usage.command(context_settings=HELP)
@usage.option("-a", "--all", "everything", is_flag=True, help="Also remove all containers, images and volumes.")
@FORCE
@usage.pass_paths
def uninstall(paths: Paths, everything: bool, force: bool) -> None:
    """Remove what minidock has left on this host. Containers, images and volumes stay, unless --all is given.

    Nothing may be running. The program itself goes by the way it came: make uninstall, pipx or pip uninstall.
    """
    from minidock.engine import uninstall
    from minidock.engine.container import recovery

    check_root()
    recovery.sweep_all(paths.root)
    uninstall.check(paths.root)
    if not confirmed(_ALWAYS + _ALL * everything, force=force):
        return
    for line in uninstall.uninstall(paths.root, everything=everything):
        echo(f"removed {line}")
