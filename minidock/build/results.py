"""What follows the last step of a build: the image, its outputs, caches for others, files that tell of it."""

from __future__ import annotations

import os
from typing import Any

from minidock import state
from minidock.build import image, outputs
from minidock.build.build_progress import Progress
from minidock.build.outputs import Result
from minidock.build.request import FILES, Command, Output
from minidock.build.stage import Stage
from minidock.engine.events import event_log
from minidock.errors import HostError
from minidock.image.reference import Reference
from minidock.image.store_writer import Ingest
from minidock.named_tuple import NamedTuple


class Built(NamedTuple):
    """All stages that were built, by number; `target` is the one that was asked for.

    `names`: of the image; `given`: the build arguments.
    """

    stages: dict[int, Stage]
    target: int
    names: list[Reference]
    epoch: int | None
    given: dict[str, str]


def write(ingest: Ingest, asked: Command, built: Built, shown: Progress) -> str:
    """Make all that was asked for. Returns the image's id, "" where only files were. Raises `MinidockError`."""
    stage = built.stages[built.target]
    outputs.prepare(ingest, stage, asked.outputs, built.epoch)
    inline = any(place.kind == "inline" for place in asked.cache_to) or built.given.get("BUILDKIT_INLINE_CACHE") == "1"
    more = _inline_cache(stage) if inline else None
    made = image.make(ingest, stage, asked.labels, built.epoch, more=more, annotations=asked.annotations)
    result = Result(stage, made, built.names, built.epoch)
    for output in asked.outputs:
        with shown.doing(_title(output)):
            outputs.write(ingest, result, output, shown.say)
            if output.is_stored:
                shown.say(f"writing image {made.id} done")
                for name in output.names or built.names:
                    event_log.emit_image(ingest.store.root, "tag", made.id, made.labels, name.familiar)
                    shown.say(f"naming to {name.canonical} done")
    for place in asked.cache_to:
        from minidock.build import cache_exchange

        cache_exchange.write(ingest, place, list(built.stages.values()), stage, shown.say)
    if asked.iidfile:
        _write(asked.iidfile, made.id.encode())
    if asked.metadata_file:
        _write(asked.metadata_file, outputs.metadata(result, asked.outputs))
    return made.id if any(output.kind not in (*FILES, "cacheonly") for output in asked.outputs) else ""


def _inline_cache(stage: Stage) -> dict[str, Any]:
    """What the image's config says of its steps, for --cache-from."""
    from minidock.build import cache_exchange

    return {cache_exchange.MEMBER: cache_exchange.rows_of(stage)}


def _title(output: Output) -> str:
    """As BuildKit calls it."""
    if output.is_stored or output.kind == "cacheonly":
        return "exporting to image"
    kinds = {
        "tar": "client tarball",
        "local": "client directory",
        "oci": "oci image format",
        "docker": "docker image format",
    }
    return f"exporting to {kinds[output.kind]}"


def _write(path: str, content: bytes) -> None:
    try:
        state.write_bytes(path, content, durable=False)
    except OSError as error:
        raise HostError(f"writing {path}: {os.strerror(error.errno or 0)}") from error
