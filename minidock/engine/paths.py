"""Where minidock keeps its state."""

from __future__ import annotations

import os
from typing import NamedTuple

from minidock.state import DEFAULT_ROOT


class Paths(NamedTuple):
    """`root`: images, layers and containers, plain files all of them. `--root` or MINIDOCK_ROOT moves it."""

    root: str

    @property
    def cache(self) -> str:
        """What can be made again at any time."""
        return os.path.join(self.root, "cache")


def choose(root: str | None) -> Paths:
    """The option's value, else the environment's, else the default; always absolute."""
    return Paths(os.path.abspath(root or os.environ.get("MINIDOCK_ROOT") or DEFAULT_ROOT))
