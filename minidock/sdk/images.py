"""Images of the Python library."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from typing import Any

from minidock.image import image_filters, reference
from minidock.image.registry.transfer_progress import Progress
from minidock.image.store import Store
from minidock.image.stored_image import Image as StoredImage
from minidock.sdk import command_line
from minidock.sdk.command_line import Flag, Tell

__all__ = ["Image", "Images", "Progress"]


class Image:
    """One image, by its id."""

    def __init__(self, root: str, image_id: str) -> None:
        self._root = root
        self.id = image_id

    def __repr__(self) -> str:
        return f"<Image {', '.join(self.tags) or self.id}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Image) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def attrs(self) -> dict[str, Any]:
        """All that `image inspect` shows."""
        from minidock.engine.inspect import inspect_container

        return inspect_container.image(self._stored(), self._store().references(self.id))

    @property
    def tags(self) -> list[str]:
        """Its names, as alpine:latest."""
        names = self._store().references(self.id)
        return [f"{name.familiar_name}:{name.tag}" for name in names if name.tag]

    @property
    def size(self) -> int:
        """The bytes in all its layers' files."""
        return self._stored().size

    def tag(self, name: str) -> None:
        """Give it one more name."""
        from minidock.engine.images.tag import tag_image

        tag_image(self._root, self.id, name)

    def remove(self, *, force: bool = False) -> None:
        """Remove it with all its names."""
        from minidock.engine.container import recovery
        from minidock.engine.images.rm import remove_image

        recovery.sweep_all(self._root)
        remove_image(self._root, self.id, force=force)

    def save(self, file: str) -> None:
        """Write it to an archive that `load` and docker can read."""
        command_line.ask(self._root, "save", "--output", file, *(self.tags or [self.id]))

    def _store(self) -> Store:
        return Store(self._root)

    def _stored(self) -> StoredImage:
        return self._store().resolve(self.id)


class Images:
    """All images of a state root."""

    def __init__(self, root: str) -> None:
        self._root = root

    def get(self, name: str) -> Image:
        """The image with this name or id. Raises `NotFoundError`."""
        return Image(self._root, Store(self._root).resolve(name).id)

    def list(self, *, filters: Mapping[str, str] | None = None) -> list[Image]:
        """All images, the newest first. `filters` as of `minidock images`."""
        wanted = image_filters.parse(
            (f"{name}={text}" for name, text in (filters or {}).items()), image_filters.FOR_LISTS
        )
        return [Image(self._root, found.id) for found, _ in image_filters.select(Store(self._root), wanted)]

    def pull(self, name: str, *, platform: str | None = None, progress: Progress | None = None) -> Image:
        """Fetch an image from a registry. `progress` is told how it goes, by several threads (see `Progress`)."""
        from minidock.engine.images import pull

        with closing(progress or Progress()) as told:
            found = pull.pull(Store(self._root), reference.parse(name), told, platform)
        return Image(self._root, found.id)

    def push(self, name: str, *, progress: Progress | None = None) -> None:
        """Publish an image to the registry that its name says."""
        from minidock.engine.images import push

        with closing(progress or Progress()) as told:
            push.push_tag(Store(self._root), reference.parse(name), told)

    def build(self, path: str, *, progress: Tell = lambda _: None, **flags: Flag) -> Image:
        """Build an image from the Dockerfile of a directory. `progress` is told each line of the account.

        `flags` are those of `minidock build`, such as `tag="app"`, `build_arg={"VERSION": "3"}` or `target="test"`.
        """
        import os
        import tempfile

        with tempfile.TemporaryDirectory() as directory:
            file = os.path.join(directory, "id")
            words = command_line.words_of({"iidfile": file, "progress": "plain", **flags})
            command_line.follow(self._root, "build", *words, path, tell=progress)
            with open(file, encoding="ascii") as written:
                return Image(self._root, written.read().strip())

    def load(self, file: str) -> None:
        """Load images from an archive."""
        command_line.ask(self._root, "load", "--input", file)
