"""What ADD does beside COPY: archives are unpacked, addresses and repositories fetched (reference, "ADD")."""

from __future__ import annotations

import os
import posixpath
from typing import TYPE_CHECKING

from minidock.build import archives, git, http_download
from minidock.build.copy_files import Request
from minidock.build.sources import of_directory
from minidock.build.stage import Stage
from minidock.build.tree import Tree
from minidock.errors import UsageError
from minidock.image.dockerfile.dockerfile_errors import DockerfileError
from minidock.image.dockerfile.instructions import Instruction
from minidock.named_tuple import NamedTuple

if TYPE_CHECKING:
    from minidock.build.builder import Builder


class Fetched(NamedTuple):
    """What is to be copied instead of what was written. `known`: what counts for the cache, not its files."""

    tree: Tree
    request: Request
    known: dict[str, str] | None = None


def fetch(builder: Builder, stage: Stage, request: Request, instruction: Instruction) -> Fetched | None:
    """Unpack archives, fetch addresses and repositories; None where all sources are files of the context."""
    repositories = [found for source in request.sources if (found := git.parse(source))]
    remote = [source for source in request.sources if http_download.is_address(source)]
    checksum = stage.words(instruction.flag("checksum"))
    if checksum and not (remote or repositories):
        raise DockerfileError("checksum can't be specified for non-HTTP(S) sources", instruction.line)
    if (remote or repositories) and len(request.sources) > 1:
        raise DockerfileError("ADD of an address takes one source", instruction.line)
    if repositories:
        return _repository(builder, request, repositories[0], checksum, instruction)
    if remote:
        return _download(builder, request, remote[0], checksum, unpack=instruction.is_set("unpack"))
    if not request.sources or instruction.flag("unpack") == "false":
        return None
    return _unpacked(builder, request)


def _repository(
    builder: Builder, request: Request, wanted: git.Repository, checksum: str, instruction: Instruction
) -> Fetched:
    keep = instruction.is_set("keep-git-dir")
    place = _place(builder, "repository")
    commit = git.check_out(wanted, place, keep_history=keep)
    if checksum and not commit.startswith(checksum):
        raise UsageError(f"expected checksum to match {checksum}, got {commit}")
    tree = builder.sources.keep(of_directory(git.directory_of(wanted, place), (), wanted.address))
    # What git writes into .git differs from time to time, and so do the times of all files.
    known = {wanted.address: f"{commit}:{wanted.directory} {'with' if keep else 'without'} .git"}
    return Fetched(tree, request._replace(sources=("/",)), known)


def _unpacked(builder: Builder, request: Request) -> Fetched | None:
    tree = builder.sources.tree("")
    found = []
    for source in request.sources:
        for path in tree.glob(posixpath.normpath("/" + source).lstrip("/")):
            entry = tree.find(path)
            if entry and not entry.is_directory:
                with os.fdopen(tree.open(entry.path), "rb") as file:
                    if archives.is_archive(file.read(archives.START)):
                        found.append(entry.path)
    if not found:
        return None
    if len(found) > 1 or len(request.sources) > 1:
        raise UsageError("ADD of an archive together with other sources: write an ADD for each")
    return _extracted(builder, request, tree.open(found[0]), found[0])


def _extracted(builder: Builder, request: Request, fd: int, name: str) -> Fetched | None:
    """What is in the archive behind a descriptor; None if it is none. Its files keep their owners, unless --chown."""
    place = _place(builder, "archive")
    with os.fdopen(fd, "rb", buffering=0) as file:
        if not archives.extract(file, place):
            return None
    unpacked = builder.sources.keep(of_directory(place, (), name))
    owner = request.owner if request.owner != (0, 0) else None
    target = request.target.rstrip("/") + "/"
    return Fetched(unpacked, request._replace(sources=("/",), owner=owner, target=target, replaces=True))


def _place(builder: Builder, name: str) -> str:
    return archives.new_directory(builder.ingest.workspace.path, name)


def _download(builder: Builder, request: Request, address: str, checksum: str, *, unpack: bool) -> Fetched:
    place = _place(builder, "download")
    found = http_download.fetch(address, place, needs_name=request.target.endswith("/"))
    if checksum and checksum != found.digest:
        raise UsageError(f"digest mismatch {found.digest}: {checksum}")
    if unpack:
        fd = os.open(found.path, os.O_RDONLY | os.O_CLOEXEC)
        if extracted := _extracted(builder, request, fd, address):
            return extracted
    tree = builder.sources.keep(of_directory(place, (), address))
    return Fetched(tree, request._replace(sources=(posixpath.basename(found.path),)))
