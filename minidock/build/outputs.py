"""What becomes of a build's result: -o, --push, --load (docker's reference, "docker buildx build", "--output").

type=image      an image of the store, under its names; push=true publishes it too
type=registry   the same as type=image,push=true
type=docker     an image of the store; with dest=, an archive as `load` takes it
type=oci        an archive, or with tar=false a directory, as OCI's image layout
type=tar        the files alone, an archive
type=local      the files alone, in a directory
type=cacheonly  nothing but what the cache keeps
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence

from minidock.build.request import FILES, STDOUT, Compression, Output
from minidock.build.stage import Stage
from minidock.errors import UsageError
from minidock.image.media_types import MANIFEST_TYPE
from minidock.image.reference import Reference
from minidock.image.store_writer import Ingest
from minidock.image.stored_image import Image
from minidock.named_tuple import NamedTuple


class Result(NamedTuple):
    """A stage that is done, as files and as an image whose blobs are in the store."""

    stage: Stage
    image: Image
    names: Sequence[Reference]
    epoch: int | None


def prepare(ingest: Ingest, stage: Stage, wanted: Sequence[Output], epoch: int | None) -> None:
    """Change what has to be another for an output, before an image is made of it. Raises `UsageError`."""
    if any(output.rewrite for output in wanted):
        if epoch is None:
            raise UsageError("rewrite-timestamp=true needs SOURCE_DATE_EPOCH, in the environment or as --build-arg")
        from minidock.build import rewrite

        rewrite.rewrite(ingest, stage, epoch)
    for compression in {output.compression for output in wanted} - {Compression()}:
        from minidock.build import recompress

        recompress.recompress(ingest, stage, compression)


def check(wanted: Sequence[Output]) -> None:
    """Refuse what would fail after the whole build. Raises `UsageError`."""
    for output in wanted:
        if output.destination == STDOUT and os.isatty(1):
            raise UsageError("dest file is required for this exporter: refusing to write to the console")
        if output.destination and output.destination != STDOUT:
            makes_directory = output.kind == "local" or not output.as_archive
            there = os.path.isdir(output.destination)
            if there and not makes_directory:
                raise UsageError(f"destination {output.destination} is a directory")
            if os.path.exists(output.destination) and makes_directory and not there:
                raise UsageError(f"destination {output.destination} is no directory")
    if sum(output.destination == STDOUT for output in wanted) > 1:
        raise UsageError("only one output can go to standard output")
    if len({output.compression for output in wanted if output.kind not in FILES}) > 1:
        raise UsageError("the layers of one build have one compression: build once more for another one")


def write(ingest: Ingest, result: Result, output: Output, say: Callable[[str], None]) -> None:
    """Make one output; `say` is told line by line how a push goes.

    Raises `MinidockError`; a file that was there before is replaced when the new one is whole.
    """
    names = list(output.names or result.names)
    if output.is_stored:
        content = _manifest(ingest, result.image)
        for name in names:
            ingest.add_manifest(name, content, MANIFEST_TYPE)
        if not names:
            ingest.add_manifest(None, content, MANIFEST_TYPE)
    if output.push:
        if not names:
            raise UsageError("tag is needed when pushing to registry")
        from minidock.engine.images import push
        from minidock.engine.images.progress_display import Lines

        for name in names:
            push.push_tag(ingest.store, name, Lines(say))
    if output.destination:
        from minidock.build import output_files

        if output.kind in FILES:
            output_files.write_files(ingest, result.stage, output, result.epoch)
        else:
            output_files.write_image(ingest, result.image, output, names)


def metadata(result: Result, wanted: Sequence[Output]) -> bytes:
    """What --metadata-file tells, as buildx writes it."""
    content: dict[str, object] = {"containerimage.config.digest": result.image.id}
    if any(output.kind not in (*FILES, "cacheonly") for output in wanted):
        from minidock.image import save

        descriptor = save.descriptor_of(result.image)
        names = [name.canonical for output in wanted for name in output.names or result.names]
        content |= {
            "containerimage.descriptor": descriptor,
            "containerimage.digest": result.image.manifest_digest,
            **({"image.name": ",".join(dict.fromkeys(names))} if names else {}),
        }
    return json.dumps(content, indent=2).encode()


def _manifest(ingest: Ingest, image: Image) -> bytes:
    with open(ingest.store.blob_path(image.manifest_digest), "rb") as file:
        return file.read()
