"""The layers of an image, each with the step that made it and its changes to those below."""

from __future__ import annotations

import re

from minidock.errors import NotFoundError
from minidock.explain.layers.layer_changes import Changes, compare
from minidock.image.stored_image import Image
from minidock.named_tuple import NamedTuple


class Layer(NamedTuple):
    """`number` counts from 1, the bottom. `created_by`: the step of the image's history that made it."""

    number: int
    diff_id: str
    directory: str
    created: str
    created_by: str
    changes: Changes


def of_image(image: Image) -> list[Layer]:
    """An image's layers, bottom to top. It takes long: every file of every layer is compared."""
    paths = image.layer_paths
    return [
        Layer(number, diff_id, path, *step, compare(path, paths[: number - 1][::-1]))
        for number, (diff_id, path, step) in enumerate(zip(image.layers, paths, steps(image), strict=True), 1)
    ]


def lines(image: Image) -> list[tuple[str, int]]:
    """Each line of the Dockerfiles that an image came from, (line, number of the layer that it made, 0 for none).

    The history has all of them, base images' first; what made no layer changed the configuration only.
    """
    found, number = [], 0
    for row in image.config.get("history") or []:
        number += not row.get("empty_layer")
        made = 0 if row.get("empty_layer") or number > len(image.layers) else number
        found.append((as_written(str(row.get("created_by") or row.get("comment") or "")), made))
    found += [("", missing) for missing in range(number + 1, len(image.layers) + 1)]
    return found


_SHELL = re.compile(r"^(RUN|CMD|ENTRYPOINT)? ?(?:\|\d+ .*?)?/bin/sh -c (?:#\(nop\) +)?")


def as_written(created_by: str) -> str:
    """A row of the history as a Dockerfile has it, without what BuildKit and docker's older builder put around it."""
    text = created_by.removesuffix(" # buildkit")
    match = _SHELL.match(text)
    if not match:
        return text
    rest = text[match.end() :]
    return rest if "#(nop)" in match[0] else f"{match[1] or 'RUN'} {rest}"


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
