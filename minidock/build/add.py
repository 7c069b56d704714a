"""What ADD does beside COPY: archives are unpacked, addresses and repositories fetched (reference, "ADD")."""

from __future__ import annotations

import os
import posixpath
from typing import TYPE_CHECKING

from minidock.build import archives, git, http_download
from minidock.build.copy_files import Fetched, Request
from minidock.build.sources import of_directory
from minidock.build.stage import Stage
from minidock.errors import UsageError
from minidock.image.dockerfile.dockerfile_errors import DockerfileError
from minidock.image.dockerfile.instructions import Instruction

if TYPE_CHECKING:
    from minidock.build.builder import Builder


def fetch(builder: Builder, stage: Stage, request: Request, instruction: Instruction) -> list[Fetched]:
    """What each source means: an address or a repository is fetched, an archive unpacked, the rest are files as they
    are, which come last, together.
    """
    repositories = {source: named for source in request.sources if (named := git.parse(source))}
    remote = [source for source in request.sources if http_download.is_address(source)]
    checksum = stage.words(instruction.flag("checksum"))
    if checksum and not (remote or repositories):
        raise DockerfileError("checksum can't be specified for non-HTTP(S) sources", instruction.line)
    if checksum and len(request.sources) > 1:
        raise DockerfileError("checksum can't be specified for multiple sources", instruction.line)
    found: list[Fetched] = []
    plain: list[str] = []
    single = request._replace(contents=())
    for source in request.sources:
        if source in repositories:
            found.append(_repository(builder, single, repositories[source], checksum, instruction))
        elif source in remote:
            found.append(_download(builder, single, source, checksum, unpack=instruction.is_set("unpack")))
        elif instruction.flag("unpack") == "false":
            plain.append(source)
        else:
            files, archived = _unpacked(builder, single, source)
            plain += files
            found += archived
    if plain or request.contents:
        tree = builder.sources.tree("") if plain else None
        found.append(Fetched(tree, request._replace(sources=tuple(plain))))
    return found


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


def _unpacked(builder: Builder, request: Request, source: str) -> tuple[list[str], list[Fetched]]:
    """(what of `source` is copied as it is, the archives among what it names, unpacked)."""
    tree = builder.sources.tree("")
    plain: list[str] = []
    found: list[Fetched] = []
    for path in tree.glob(posixpath.normpath("/" + source).lstrip("/")):
        entry = tree.find(path)
        unpacked = None
        if entry and not entry.is_directory:
            with os.fdopen(tree.open(entry.path), "rb") as file:
                is_archive = archives.is_archive(file.read(archives.START))
            if is_archive:
                unpacked = _extracted(builder, request, tree.open(entry.path), entry.path)
        if unpacked:
            found.append(unpacked)
        else:
            plain.append(path)
    # Where nothing is an archive, or nothing is there, the source stays as it was written.
    return (plain, found) if found else ([source], [])


def _extracted(builder: Builder, request: Request, fd: int, name: str) -> Fetched | None:
    """What is in the archive behind a descriptor; None if it is none. Its files keep their owners, unless --chown."""
    place = _place(builder, "archive")
    with os.fdopen(fd, "rb", buffering=0) as file:
        named: set[str] = set()
        if not archives.extract(file, place, named):
            return None
    unpacked = builder.sources.keep(of_directory(place, (), name))
    owner = request.owner if request.owner != (0, 0) else None
    target = request.target.rstrip("/") + "/"
    return Fetched(unpacked, request._replace(sources=("/",), owner=owner, target=target, directories=frozenset(named)))


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
