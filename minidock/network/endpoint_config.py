"""What a container asks of a network that it is to be on.

Apart from `endpoints.py`, because the command line needs this and nothing else from there.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Attachment(NamedTuple):
    """Names, addresses and a hardware address on one network; empty ones leave the choice to us.

    `links` are rows of (container, alias): other containers, by names that only this one knows them by. On record,
    containers are ids.
    """

    aliases: list[str]
    address: str
    address6: str
    mac: str
    links: list[tuple[str, str]]
    gw_priority: int = 0  # of the networks that lead out, that with the highest is the container's way to everyone else

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Attachment:
        """What `_asdict` and a JSON file have made of one."""
        return cls(**{**row, "links": [(container, alias) for container, alias in row["links"]]})


NOTHING_SPECIAL = Attachment([], "", "", "", [])
