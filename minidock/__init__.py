"""minidock: a container runtime in pure Python that shows how Docker works.

Start reading at `minidock/runtime/init.py`: the steps of a container's first process from its first instruction to
`execve`.

For programs (docs/python.md): `minidock.run("alpine", ["echo", "hello"])`, and `containers`, `images`, `networks`,
`volumes` and `events` of the default state root; `minidock.Client(root)` has those of another.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing's, which no command needs this early

if TYPE_CHECKING:
    from minidock.errors import MinidockError as MinidockError
    from minidock.sdk.client import Client as Client
    from minidock.sdk.containers import ContainerError as ContainerError
    from minidock.sdk.containers import Containers
    from minidock.sdk.images import Images
    from minidock.sdk.images import Progress as Progress
    from minidock.sdk.networks import Networks
    from minidock.sdk.volumes import Volumes

    run = Client().run
    events = Client().events
    containers: Containers
    images: Images
    networks: Networks
    volumes: Volumes

__version__ = "0.1.0"
_PLACES = {
    "Client": "sdk.client",
    "ContainerError": "sdk.containers",
    "Progress": "sdk.images",
    "MinidockError": "errors",
}
_OF_THE_DEFAULT_CLIENT = {"run", "events", "containers", "images", "networks", "volumes"}


def __getattr__(name: str) -> object:
    """The library's names, imported when they are used: commands and monitors begin without them."""
    from importlib import import_module

    if name in _PLACES:
        return getattr(import_module(f"minidock.{_PLACES[name]}"), name)
    if name in _OF_THE_DEFAULT_CLIENT:
        return getattr(import_module("minidock.sdk.client").Client(), name)
    raise AttributeError(f"module 'minidock' has no attribute {name!r}")
