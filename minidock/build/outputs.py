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
import sys
import tarfile
from collections.abc import Callable, Iterator, Sequence

from minidock import state
from minidock.build import rewrite, sources
from minidock.build.archives import new_directory
from minidock.build.stage import Stage
from minidock.engine.images import push
from minidock.engine.images.progress_display import Lines
from minidock.errors import HostError, UsageError
from minidock.image import layout, save, tar_into, tar_out
from minidock.image.layer_directories import layer_path
from minidock.image.media_types import MANIFEST_TYPE
from minidock.image.reference import Reference
from minidock.image.store_writer import Ingest
from minidock.image.stored_image import Image
from minidock.linux import mounts, syscalls
from minidock.named_tuple import NamedTuple
from minidock.observe import step

FILES = ("tar", "local")  # kinds that are no image
STORED = ("image", "registry")
STDOUT = "-"


class Output(NamedTuple):
    """One -o. `destination`: a path, "-" for standard output, "" for the store; `names`: instead of -t's."""

    kind: str
    destination: str = ""
    names: Sequence[Reference] = ()
    push: bool = False
    as_archive: bool = True
    rewrite: bool = False

    @property
    def is_stored(self) -> bool:
        """Whether it is an image of the store."""
        return self.kind in STORED or (self.kind == "docker" and not self.destination)


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
        rewrite.rewrite(ingest, stage, epoch)


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
        for name in names:
            push.push_tag(ingest.store, name, Lines(say))
    if output.kind in ("oci", "docker") and output.destination:
        if not output.as_archive:
            layout.write(ingest.store, output.destination, result.image, names)
        else:
            _to(output.destination, save.archive(ingest, [(result.image, names)], for_docker=output.kind == "docker"))
    if output.kind in FILES:
        _files(ingest, result, output)


def metadata(result: Result, wanted: Sequence[Output]) -> bytes:
    """What --metadata-file tells, as buildx writes it."""
    content: dict[str, object] = {"containerimage.config.digest": result.image.id}
    if any(output.kind not in (*FILES, "cacheonly") for output in wanted):
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


def _to(destination: str, pieces: Iterator[bytes]) -> None:
    """Write an archive to a file, or to standard output."""
    try:
        if destination == STDOUT:
            for piece in pieces:
                sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
            return
        os.makedirs(os.path.dirname(os.path.abspath(destination)), exist_ok=True)
        with state.replacing(destination, durable=False, mode=0o644) as file:
            for piece in pieces:
                file.write(piece)
    except OSError as error:
        raise HostError(f"writing {destination}: {os.strerror(error.errno or 0)}") from error


def _files(ingest: Ingest, result: Result, output: Output) -> None:
    """The files of all layers as one tree, seen from a mount namespace of our own."""

    def limit(info: tarfile.TarInfo) -> None:
        if result.epoch is not None:
            info.mtime = result.epoch
            info.pax_headers = {name: value for name, value in info.pax_headers.items() if name != "mtime"}

    with step("Give the output a mount namespace", book="3.1"):
        syscalls.unshare(syscalls.CLONE_NEWNS)
        mounts.set_propagation("/", syscalls.MS_REC | syscalls.MS_SLAVE)
    place = new_directory(ingest.workspace.path, "output")
    paths = [layer_path(ingest.store.root, layer.diff_id) for layer in result.stage.layers]
    tree = sources.of_layers(paths, "the result", place)
    try:
        pieces = tar_out.pack(tree.root, b"", b"", limit)
        if output.kind == "tar":
            _to(output.destination, pieces)
        else:
            _into(output.destination, pieces)
    finally:
        tree.close()
        if len(paths) > 1:
            syscalls.umount2(place, syscalls.MNT_DETACH)


def _into(directory: str, pieces: Iterator[bytes]) -> None:
    """Unpack files into a directory, beside what is there; they belong to whoever builds, as docker has it."""
    try:
        os.makedirs(directory, exist_ok=True)
        root = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            tar_into.place(pieces, root, b".", tar_into.Owner(os.getuid(), os.getgid()))
        finally:
            os.close(root)
    except OSError as error:
        raise HostError(f"writing to {directory}: {os.strerror(error.errno or 0)}") from error
