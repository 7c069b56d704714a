"""What a build did, step by step, kept for whoever tells of it afterwards (`--explain`, `advice.py`)."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from minidock.build.graph import Node
from minidock.build.reasons import Reason
from minidock.image import layer_cache
from minidock.image.layer_cache import Parts


class Step(NamedTuple):
    """One line that made a layer, or a FROM with its image.

    `seconds`: what it took now, or, if it was in the cache, when it was built; `layer`: its diff ID, "" for FROM;
    `below`: how many layers it stands on; `parts`: what its key was made of.
    """

    name: str
    text: str
    line: int
    cached: bool
    reason: Reason
    seconds: float
    layer: str
    below: int
    parts: Parts


class Account:
    """Steps by stage. `told` hears of them as progress does (`scheduler.build`)."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.nodes: dict[int, Node] = {}
        self.steps: dict[int, list[Step]] = {}
        self._begun: dict[int, tuple[dict[str, Any], float]] = {}

    def told(self, node: Node, kind: str, content: dict[str, Any]) -> None:
        """One event of a stage."""
        self.nodes[node.number] = node
        if kind == "begin":
            self._begun[node.number] = (content, time.monotonic())
        elif kind == "end" and node.number in self._begun:
            begun, moment = self._begun.pop(node.number)
            known = layer_cache.read(self.root, content["key"])
            seconds = known.seconds if known and content["cached"] else time.monotonic() - moment
            layers, is_base = content["layers"], begun["name"] == "FROM"
            step = Step(
                begun["name"], begun["text"], begun["line"], content["cached"], content["reason"], seconds,
                "" if is_base or not layers else layers[-1], len(layers) if is_base else len(layers) - 1,
                known.parts if known else {},
            )  # fmt: skip
            self.steps.setdefault(node.number, []).append(step)
