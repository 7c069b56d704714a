"""What a build did, step by step, kept for whoever tells of it afterwards (`--explain`, `advice.py`)."""

from __future__ import annotations

import time
from typing import Any

from minidock.build.graph import Node
from minidock.build.reasons import Reason
from minidock.image import layer_cache
from minidock.image.layer_cache import Parts
from minidock.named_tuple import NamedTuple


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


class _Told(NamedTuple):
    begun: dict[str, Any]
    ended: dict[str, Any]
    seconds: float


class Account:
    """Steps by stage. `told` hears of them as progress does (`scheduler.build`)."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.nodes: dict[int, Node] = {}
        self._told: dict[int, list[_Told]] = {}
        self._begun: dict[int, tuple[dict[str, Any], float]] = {}

    def told(self, node: Node, kind: str, content: dict[str, Any]) -> None:
        """One event of a stage."""
        self.nodes[node.number] = node
        if kind == "begin":
            self._begun[node.number] = (content, time.monotonic())
        elif kind == "end" and node.number in self._begun:
            begun, moment = self._begun.pop(node.number)
            self._told.setdefault(node.number, []).append(_Told(begun, content, time.monotonic() - moment))

    def steps(self, number: int) -> list[Step]:
        """The steps of a stage. What their keys were made of is read only now: few ask for it."""
        return [self._step(*told) for told in self._told.get(number, [])]

    def _step(self, begun: dict[str, Any], ended: dict[str, Any], seconds: float) -> Step:
        known = layer_cache.read(self.root, ended["key"])
        layers, is_base = ended["layers"], begun["name"] == "FROM"
        return Step(
            begun["name"], begun["text"], begun["line"], ended["cached"], ended["reason"],
            known.seconds if known and ended["cached"] else seconds,
            "" if is_base or not layers else layers[-1], len(layers) if is_base else len(layers) - 1,
            known.parts if known else {},
        )  # fmt: skip
