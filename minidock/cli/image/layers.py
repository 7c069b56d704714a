"""`minidock layers`: show what each layer of an image adds, changes and hides."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.echo import echo
from minidock.cli.flags.entity_names import IMAGE
from minidock.engine.state_paths import Paths
from minidock.errors import UsageError

if TYPE_CHECKING:
    from rich.console import RenderableType


@usage.command(context_settings=HELP)
@usage.option("--path", "file", metavar="FILE", help="Show which layer a file comes from, or is hidden by.")
@usage.option("--tree", "as_tree", is_flag=True, help="Show the directories, each with the layers that it comes from.")
@usage.option("--depth", type=usage.Range(1), default=2, help="How deep --tree goes at least [2].")
@usage.option("-a", "--all", "everything", is_flag=True, help="Show every path.")
@usage.option("--json", "as_json", is_flag=True, help="Print JSON (the same as --format json).")
@usage.option("--format", "form", type=usage.Choice(["text", "json"]), default="text", help="text or json.")
@usage.argument("name", metavar="IMAGE", type=IMAGE)
@usage.pass_paths
def layers(
    paths: Paths,
    file: str | None,
    as_tree: bool,
    depth: int,
    everything: bool,
    as_json: bool,
    form: str,
    name: str,
) -> None:
    """Show the layers of an image, and what each adds to, changes in and hides of those below it."""
    from minidock.explain import json_form
    from minidock.explain.layers import file_origins, image_layers
    from minidock.image.store import Store

    if file is not None and as_tree:
        raise UsageError("--path and --tree exclude each other")
    image = Store(paths.root).resolve(name)
    image_layers.check_unpacked(image, name)
    directories = image.layer_paths
    if as_json or form == "json":
        found = (
            file_origins.trace(directories, file) if file is not None
            else file_origins.tree(directories) if as_tree
            else image_layers.of_image(image)
        )  # fmt: skip
        echo(json_form.as_json(found))
        return
    from minidock.explain.console import console, show
    from minidock.explain.layers import layers_text

    drawing: Iterator[RenderableType]
    if file is not None:
        rows = [(diff_id, step[1]) for diff_id, step in zip(image.layers, image_layers.steps(image), strict=True)]
        drawing = layers_text.origin_text(file_origins.trace(directories, file), file, rows)
    elif as_tree:
        drawing = layers_text.tree(file_origins.tree(directories), depth)
    else:
        drawing = layers_text.overview(image_layers.of_image(image), image_layers.lines(image), everything=everything)
    show(console(), drawing)
