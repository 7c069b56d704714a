"""The layers of an image, each with what made it and what it does to those below."""

from __future__ import annotations

from typing import NamedTuple

from minidock.errors import NotFoundError
from minidock.explain.layers.layer_changes import Changes, compare
from minidock.image.store import Image


class Layer(NamedTuple):
    """`number` counts from 1, the bottom. `created_by`: the step of the image's history that made it."""

    number: int
    diff_id: str
    directory: str
    created: str
    created_by: str
    changes: Changes


def of_image(image: Image) -> list[Layer]:
    """An image's layers, bottom to top. Takes time: every file of every layer is looked at."""
    paths = image.layer_paths
    return [
        Layer(number, diff_id, path, *step, compare(path, paths[: number - 1][::-1]))
        for number, (diff_id, path, step) in enumerate(zip(image.layers, paths, steps(image), strict=True), 1)
    ]


def check_unpacked(image: Image, name: str) -> None:
    """Raise `NotFoundError` if a layer of the image that the user calls `name` is only here packed."""
    if image.missing_layers:
        raise NotFoundError(f"layers of {name} are not unpacked yet: `minidock run` or `minidock pull` does that")


def steps(image: Image) -> list[tuple[str, str]]:
    """(created, created_by) of each layer, from the history's steps that made one (OCI image spec, config.md)."""
    made = [step for step in image.config.get("history") or [] if not step.get("empty_layer")]
    rows = [(str(step.get("created") or ""), str(step.get("created_by") or step.get("comment") or "")) for step in made]
    missing = len(image.layers) - len(rows)
    return rows[: len(image.layers)] + [("", "")] * missing
