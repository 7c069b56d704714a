"""`minidock xray`: what a container is."""

from __future__ import annotations

import click

from minidock.engine.paths import Paths


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON (the same as --format json).")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="text or json.")
@click.argument("name", metavar="CONTAINER")
@click.pass_obj
def xray(paths: Paths, as_json: bool, form: str, name: str) -> None:
    """Show what a container is, as the kernel sees it.

    Its namespaces beside the host's, processes, limits and use, layers, network, rights and mounts.
    """
    from minidock.engine import recovery
    from minidock.explain.xray.look import Look

    recovery.sweep_all(paths.root)
    look = Look(paths.root, name)
    if as_json or form == "json":
        from minidock.explain.plain import as_json as to_json

        click.echo(to_json(look.take()))
    else:
        from minidock.explain.console import console, show
        from minidock.explain.xray.terminal import drawing

        out = console()
        show(out, drawing(look.take()))
