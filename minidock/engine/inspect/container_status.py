"""How a container is, in docker's words (moby: daemon/container/state.go), and what its image is called now."""

from __future__ import annotations

from minidock.durations import since
from minidock.engine.container.records import CREATED, DEAD, PAUSED, RESTARTING, Record
from minidock.engine.inspect import container_list


def status(record: Record) -> str:
    """Up, Exited, ... and since when (moby: daemon/container/state.go, String)."""
    state = record.data["state"]
    if record.status == DEAD:
        return "Dead (record damaged)"
    if record.status == PAUSED:
        return f"Up {since(state['startedAt'])} (Paused)"
    if record.status == RESTARTING:
        return f"Restarting ({state['exitCode']}) {since(state['finishedAt'])} ago"
    if record.is_up:
        health = container_list.health(record)
        words = {"none": "", "starting": " (health: starting)"}.get(health, f" ({health})")
        return f"Up {since(state['startedAt'])}{words}"
    if record.status == CREATED or not state["finishedAt"]:
        return "Created"
    return f"Exited ({state['exitCode']}) {since(state['finishedAt'])} ago"


class ImageNames:
    """What the containers' images are called now."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._ids: dict[str, str | None] = {}

    def name(self, record: Record) -> str:
        """The name that the container was made with, if the image still has it; or the image's id."""
        name, image_id = str(record.data["imageName"]), str(record.data["image"])
        return name if self._id_of(name) == image_id else image_id

    def _id_of(self, name: str) -> str | None:
        from minidock.errors import MinidockError
        from minidock.image.store import Store

        if name not in self._ids:
            try:
                self._ids[name] = Store(self.root).resolve(name).id
            except MinidockError:
                self._ids[name] = None
        return self._ids[name]
