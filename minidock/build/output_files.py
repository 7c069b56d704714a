"""Outputs that go to files: an image as an archive or as OCI's layout, the files of an image in an archive or alone."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from minidock import state
from minidock.build import sources
from minidock.build.archives import new_directory
from minidock.build.request import STDOUT, Output
from minidock.build.stage import Stage
from minidock.errors import HostError
from minidock.image import layout, save, tar_into, tar_out
from minidock.image.reference import Reference
from minidock.image.store_writer import Ingest
from minidock.image.stored_image import Image
from minidock.linux import mounts, syscalls
from minidock.observe import step

if TYPE_CHECKING:
    import tarfile


def write_image(ingest: Ingest, image: Image, output: Output, names: Sequence[Reference]) -> None:
    """type=oci and type=docker with a destination. Raises `MinidockError`."""
    if not output.as_archive:
        layout.write(ingest.store, output.destination, image, names)
        return
    _write(output.destination, save.archive(ingest, [(image, list(names))], for_docker=output.kind == "docker"))


def _write(destination: str, pieces: Iterator[bytes]) -> None:
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


def write_files(ingest: Ingest, stage: Stage, output: Output, epoch: int | None) -> None:
    """type=tar and type=local: the files of all layers as one tree, seen from a mount namespace of our own.

    Raises `HostError`.
    """

    def limit(info: tarfile.TarInfo) -> None:
        if epoch is not None:
            info.mtime = epoch
            info.pax_headers = {name: value for name, value in info.pax_headers.items() if name != "mtime"}

    with step("Give the output a mount namespace", book="3.1"):
        syscalls.unshare(syscalls.CLONE_NEWNS)
        mounts.set_propagation("/", syscalls.MS_REC | syscalls.MS_SLAVE)
    place = new_directory(ingest.workspace.path, "output")
    paths = stage.layer_paths(ingest.store.root)
    tree = sources.of_layers(paths, "the result", place)
    try:
        pieces = tar_out.pack(tree.root, b"", b"", limit)
        if output.kind == "tar":
            _write(output.destination, pieces)
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
