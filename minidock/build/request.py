"""What a user asks of `build`, as one object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from minidock.named_tuple import NamedTuple

if TYPE_CHECKING:
    from minidock.engine.container.container_options import Limits
    from minidock.image.reference import Reference

HOSTNAME = "buildkitsandbox"  # as in BuildKit: the same on every machine
FILES = ("tar", "local")  # kinds of outputs that are no image
STORED = ("image", "registry")
STDOUT = "-"


class Compression(NamedTuple):
    """Of layers. `kind`: gzip, zstd or uncompressed; `level` None: the usual one; `forced`: also of a base image's."""

    kind: str = "gzip"
    level: int | None = None
    forced: bool = False


class Output(NamedTuple):
    """One -o. `destination`: a path, "-" for standard output, "" for the store; `names`: instead of -t's."""

    kind: str
    destination: str = ""
    names: Sequence[Reference] = ()
    push: bool = False
    as_archive: bool = True
    rewrite: bool = False
    compression: Compression = Compression()

    @property
    def is_stored(self) -> bool:
        """Whether it is an image of the store."""
        return self.kind in STORED or (self.kind == "docker" and not self.destination)


class Place(NamedTuple):
    """One --cache-from or --cache-to. `kind`: inline, registry or local; `where`: a reference or a directory.

    `all_stages`: mode=max, also steps whose layers are not the image's; `may_fail`: ignore-error=true.
    """

    kind: str
    where: str
    all_stages: bool = False
    may_fail: bool = False


class Surroundings(NamedTuple):
    """What `build` was asked for all RUN steps. `network` is default, none or host; `limits` None: there are none.

    `allowed`: --allow, such as security.insecure; `privileged`: whether a RUN has asked for that; `cache_namespace`:
    what comes before the ids of cache mounts.
    """

    network: str
    add_host: list[tuple[str, str]]
    limits: Limits | None
    ulimits: dict[str, tuple[int, int]]
    shm_size: int | None
    cgroup_parent: str | None
    allowed: list[str]
    privileged: bool = False
    hostname: str = HOSTNAME
    cache_namespace: str = ""


class Command(NamedTuple):
    """What a user asks of `build`. `context`: a directory, an address, or "-" for standard input."""

    context: str
    file: str
    tags: list[str]
    build_args: list[str]
    target: str
    no_cache: bool
    no_cache_stages: list[str]
    pull: bool
    labels: dict[str, str]
    annotations: dict[str, str]
    surroundings: Surroundings
    secrets: dict[str, bytes]
    ssh: dict[str, str]
    contexts: dict[str, str]
    platform: str
    outputs: list[Output]
    cache_from: list[Place]
    cache_to: list[Place]
    metadata_file: str
    iidfile: str
    shell_on_failure: bool
    progress: str
    check: bool
