"""Where a Python program begins: a state root, and all that is there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from minidock import state
from minidock.engine import state_paths
from minidock.sdk.command_line import Flag
from minidock.sdk.containers import Command, Container, Containers
from minidock.sdk.images import Images
from minidock.sdk.networks import Networks
from minidock.sdk.volumes import Volumes


class Client:
    """Containers, images, networks and volumes below one state root: that of the commands, unless another is named."""

    def __init__(self, root: str | None = None) -> None:
        self.root = state_paths.choose(root).root
        self.containers = Containers(self.root)
        self.images = Images(self.root)
        self.networks = Networks(self.root)
        self.volumes = Volumes(self.root)

    def run(self, image: str, command: Command = None, *, detach: bool = False, **flags: Flag) -> bytes | Container:
        """Run a program in a new container, and return its standard output; with `detach`, the container at once.

        `command`: words, or a text that is split as by a shell. `flags` are those of `minidock run` by their long
        names, with _ for -: `rm=True`, `publish="8080:80"`, `env={"A": "1"}`, `cap_drop=["ALL"]`. Raises
        `ContainerError` if the program cannot be started or ends with another exit code than 0.
        """
        return self.containers.run(image, command, detach=detach, **flags)

    def events(
        self, *, since: float | None = None, until: float | None = None, filters: Mapping[str, str] | None = None
    ) -> Iterator[dict[str, Any]]:
        """What happens, as it happens. `since` and `until` are seconds since 1970; `filters` as of `minidock events`.

        Each event has type, action, id, attributes and timeNano. Without `until` it never ends.
        """
        from minidock.engine.events import event_reader

        wanted = event_reader.parse(f"{name}={text}" for name, text in (filters or {}).items())
        state.directory(self.root)
        first, last = (None if moment is None else int(moment * 1e9) for moment in (since, until))
        for event in event_reader.read(self.root, first, last):
            if event_reader.passes(event, wanted):
                yield event
