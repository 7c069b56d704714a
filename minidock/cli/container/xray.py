"""`minidock xray`: what a container is."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.echo import echo
from minidock.cli.flags.entity_names import CONTAINER
from minidock.engine.state_paths import Paths
from minidock.errors import UsageError

if TYPE_CHECKING:
    from minidock.explain.xray.collect import Look


@usage.command(context_settings=HELP)
@usage.option("--json", "as_json", is_flag=True, help="Print everything as JSON (the same as --format json).")
@usage.option("--format", "form", type=usage.Choice(["text", "json"]), default="text", help="text or json.")
@usage.option("--html", metavar="FILE", help="Write a page for a browser to FILE; - is standard output.")
@usage.option("--serve", is_flag=True, help="Serve the page with live values, to this machine only, until Ctrl-C.")
@usage.option("--port", type=usage.Range(0, 65535), help="The port for --serve [any free one].")
@usage.argument("name", metavar="CONTAINER", type=CONTAINER)
@usage.pass_paths
def xray(paths: Paths, as_json: bool, form: str, html: str | None, serve: bool, port: int | None, name: str) -> None:
    """Show what a container is, as the kernel sees it.

    Its namespaces beside the host's, processes, limits and use, layers, network, rights and mounts.
    """
    as_json = as_json or form == "json"
    if as_json + (html is not None) + serve > 1:
        raise UsageError("--json, --html and --serve exclude each other")
    if port is not None and not serve:
        raise UsageError("--port is for --serve")
    from minidock.engine.container import recovery
    from minidock.explain.xray.collect import Look

    recovery.sweep_all(paths.root)
    look = Look(paths.root, name)
    if serve:
        from minidock.explain.xray import http_server

        http_server.serve(look, port or 0, echo)
    elif html is not None:
        _write(html, look)
    elif as_json:
        from minidock.explain import json_form

        echo(json_form.as_json(look.take()))
    else:
        from minidock.explain.console import console, show
        from minidock.explain.xray.terminal_view import drawing

        show(console(), drawing(look.take()))


def _write(path: str, look: Look) -> None:
    from minidock.explain.xray.html_page import page

    text = page(look.take()).encode()
    if path == "-":
        sys.stdout.flush()
        sys.stdout.buffer.write(text)
        return
    with open(path, "wb") as file:
        file.write(text)
