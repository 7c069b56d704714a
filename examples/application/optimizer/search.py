"""The search: an area is cut into tiles, calculators look at them in parallel, and the best one is cut again."""

from __future__ import annotations

import os
import queue
import socket
import threading
from dataclasses import dataclass, field
from typing import Any

from rest import ServiceError, ask

Pair = tuple[float, float]


@dataclass
class Search:
    """What is looked for, and how: `rounds` times, `tiles` x `tiles` of them, each of `steps` x `steps` points."""

    expression: str
    x: Pair
    y: Pair
    rounds: int = 4
    tiles: int = 12
    steps: int = 20


@dataclass
class Round:
    """Tiles to do, tiles done, and the calculators that do them."""

    wanted: list[dict[str, Any]]
    done: list[dict[str, Any]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def run(self, calculators: list[str]) -> None:
        """One thread for each calculator, which takes a tile whenever it has none. Raises `ServiceError`."""
        waiting: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        for tile in self.wanted:
            waiting.put(tile)
        threads = [threading.Thread(target=self._work, args=(waiting, address)) for address in calculators]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        # What a calculator that failed had in hand came back when others may have ended: whoever is left does it.
        alive = [address for address in calculators if address not in self.failed_calculators()]
        while len(self.done) < len(self.wanted):
            if not alive:
                raise ServiceError(self.failed[-1].partition(" ")[2])
            self._work(waiting, alive[0])
            alive = [address for address in calculators if address not in self.failed_calculators()]

    def failed_calculators(self) -> set[str]:
        """The addresses of those that are asked no more."""
        return {line.partition(" ")[0] for line in self.failed}

    def _work(self, waiting: queue.SimpleQueue[dict[str, Any]], address: str) -> None:
        while True:
            try:
                tile = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                self.done.append({**tile, "found": ask(f"http://{address}/tiles", tile)})
            except ServiceError as error:
                self.failed.append(f"{address} {error}")
                waiting.put(tile)
                return


def calculators() -> list[str]:
    """The addresses of all that bear one of the names in CALCULATORS, of which a name may have many. May be none."""
    found = []
    for name in os.environ.get("CALCULATORS", "calculator").split():
        host, _, port = name.partition(":")
        try:
            rows = socket.getaddrinfo(host, int(port or 80), socket.AF_INET, socket.SOCK_STREAM)
        except OSError:
            continue
        found += [f"{row[4][0]}:{row[4][1]}" for row in rows]
    return sorted(set(found))


def run(search: Search) -> dict[str, Any]:
    """The best point, the map of the first round, and how many tiles each calculator did. Raises `ServiceError`."""
    addresses = calculators()
    if not addresses:
        raise ServiceError("no calculator is there")
    area = (search.x, search.y)
    best: dict[str, Any] = {}
    first: list[dict[str, Any]] = []
    work: dict[str, int] = {}
    points = 0
    for number in range(search.rounds):
        now = Round([{"expression": search.expression, "x": x, "y": y, "steps": search.steps}
                     for y in _cut(area[1], search.tiles) for x in _cut(area[0], search.tiles)])  # fmt: skip
        now.run(addresses)
        addresses = [address for address in addresses if address not in now.failed_calculators()]
        for tile in now.done:
            work[tile["found"]["by"]] = work.get(tile["found"]["by"], 0) + 1
            points += tile["found"]["points"]
        if not number:
            first = [{"x": tile["x"], "y": tile["y"], "value": tile["found"]["value"]} for tile in now.done]
        valued = [tile for tile in now.done if tile["found"]["value"] is not None]
        if not valued:
            break
        top = max(valued, key=lambda tile: tile["found"]["value"])
        if not best or top["found"]["value"] > best["value"]:
            best = {name: top["found"][name] for name in ("value", "x", "y")}
        area = (_around(best["x"], top["x"], search.x), _around(best["y"], top["y"], search.y))
    return {"best": best, "map": first, "points": points, "calculators": work}


def _cut(side: Pair, parts: int) -> list[Pair]:
    width = (side[1] - side[0]) / parts
    return [(side[0] + width * number, side[0] + width * (number + 1)) for number in range(parts)]


def _around(point: float, tile: Pair, whole: Pair) -> Pair:
    """The next round's side: as wide as the tile, with the best point in the middle, inside of the whole."""
    half = (tile[1] - tile[0]) / 2
    return max(whole[0], point - half), min(whole[1], point + half)
