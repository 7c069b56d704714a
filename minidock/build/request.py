"""What a user asks of `build`, as one object."""

from __future__ import annotations

from minidock.build.cache_exchange import Place
from minidock.build.outputs import Output
from minidock.build.run_command import Surroundings
from minidock.named_tuple import NamedTuple


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
