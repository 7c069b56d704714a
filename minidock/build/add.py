"""What ADD does beside COPY: archives of the context are unpacked, addresses are fetched (reference, "ADD")."""

from __future__ import annotations

import hashlib
import os
import posixpath
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from minidock.build.copy import Request
from minidock.build.ignore import Patterns
from minidock.build.stage import Stage
from minidock.build.tree import Tree
from minidock.errors import HostError, UsageError
from minidock.image.dockerfile.errors import DockerfileError
from minidock.image.dockerfile.instructions import Instruction

if TYPE_CHECKING:
    from minidock.build.builder import Builder

_CHUNK = 1 << 20


class Fetched(NamedTuple):
    """What is to be copied instead of what was written."""

    tree: Tree | None
    request: Request


def fetch(builder: Builder, stage: Stage, request: Request, instruction: Instruction) -> Fetched | None:
    """Unpack archives and fetch addresses; None where all sources are files of the context."""
    remote = [source for source in request.sources if source.startswith(("http://", "https://"))]
    checksum = stage.words(instruction.flag("checksum"))
    if checksum and not remote:
        raise DockerfileError("checksum can't be specified for non-HTTP(S) sources", instruction.line)
    if remote:
        if len(request.sources) > 1:
            raise DockerfileError("ADD of an address takes one source", instruction.line)
        return _download(builder, request, remote[0], checksum)
    if not request.sources or instruction.flag("unpack") == "false":
        return None
    return _unpacked(builder, request)


def _unpacked(builder: Builder, request: Request) -> Fetched | None:
    from minidock.image import compression

    tree = builder.tree("")
    archives = []
    for source in request.sources:
        for path in tree.glob(posixpath.normpath("/" + source).lstrip("/")):
            entry = tree.find(path)
            if entry and not entry.is_directory:
                fd = tree.open(entry.path)
                with os.fdopen(fd, "rb") as file:
                    start = file.read(512)
                if compression.detect(start) or start[257:262] == b"ustar":
                    archives.append(entry.path)
    if not archives:
        return None
    if len(archives) > 1 or len(request.sources) > 1:
        raise UsageError("ADD of an archive together with other sources: write an ADD for each")
    place = _place(builder, "archive")
    fd = tree.open(archives[0])
    with os.fdopen(fd, "rb", buffering=0) as file:
        if not extract(file, place):
            return None
    unpacked = Tree(os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), Patterns(()), archives[0])
    builder.open.callback(unpacked.close)
    owner = request.owner if request.owner != (0, 0) else None
    target = request.target.rstrip("/") + "/"
    return Fetched(unpacked, request._replace(sources=("/",), owner=owner, target=target, replaces=True))


def extract(file: object, place: str) -> bool:
    """Unpack an archive; False for what is compressed and no archive."""
    from minidock.image.compression import CorruptArchive
    from minidock.image.extract import Extractor
    from minidock.image.layers import LayerSource
    from minidock.image.pipeline import Pipeline
    from minidock.image.tarstream import TarStream

    source = LayerSource(file)  # type: ignore[arg-type]
    try:
        with Pipeline(source.chunks()) as chunks, Extractor(place, place + ".replaced") as extractor:
            archive = TarStream(chunks, source.limits)
            for entry in archive:
                if entry.name.strip("./") or entry.isdir():  # tar programs have written files without a name
                    extractor.add(entry, archive)
            extractor.finish()
    except CorruptArchive:
        return False
    return True


def _place(builder: Builder, name: str) -> str:
    return new_directory(builder.ingest.workspace.path, name)


def new_directory(above: str, name: str) -> str:
    """An empty directory of a workspace."""
    path = os.path.join(above, f"{name}-{os.urandom(4).hex()}")
    os.mkdir(path, 0o755)
    return path


def _download(builder: Builder, request: Request, address: str, checksum: str) -> Fetched:
    import email.utils

    import urllib3

    name = posixpath.basename(urlsplit(address).path)
    if not name and request.target.endswith("/"):
        raise UsageError(f"cannot determine filename for source {address}")
    place = _place(builder, "download")
    path = os.path.join(place, name or "download")
    mark = hashlib.sha256()
    try:
        answer = urllib3.PoolManager().request("GET", address, preload_content=False)
        if answer.status != 200:
            raise HostError(f"{address}: invalid response status {answer.status}")
        with open(path, "wb") as file:
            for chunk in answer.stream(_CHUNK):
                mark.update(chunk)
                file.write(chunk)
    except urllib3.exceptions.HTTPError as error:
        raise HostError(f"{address} cannot be fetched: {error}") from error
    os.chmod(path, 0o600)
    stamp = (
        email.utils.parsedate_to_datetime(answer.headers["last-modified"])
        if "last-modified" in answer.headers
        else None
    )
    os.utime(path, (stamp.timestamp(),) * 2 if stamp else (0, 0))
    if checksum and checksum != f"sha256:{mark.hexdigest()}":
        raise UsageError(f"digest mismatch sha256:{mark.hexdigest()}: {checksum}")
    tree = Tree(os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), Patterns(()), address)
    builder.open.callback(tree.close)
    return Fetched(tree, request._replace(sources=(name or "download",)))
