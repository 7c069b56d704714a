"""Images as archives: save and load."""

from __future__ import annotations

from contextlib import suppress

from minidock.api.call import Call
from minidock.api.streams.body import BodyReader
from minidock.engine.events import event_log
from minidock.errors import NotFoundError, UsageError
from minidock.image.store import Store


def save(call: Call) -> None:
    """GET /images/NAME/get, or /images/get for several."""
    from minidock.image.save import save_images

    names = [call.names["name"]] if call.names else [name for text in call.texts("names") for name in text.split(",")]
    if not names:
        raise UsageError("no images to save")
    store = Store(call.root)
    pieces = save_images(store, names)
    first = next(pieces)  # what is wrong with the names is told before
    with call.stream("application/x-tar") as stream:
        stream.write(first)
        for piece in pieces:
            stream.write(piece)
    for name in names:
        with suppress(NotFoundError):  # a repository whose tags were all saved
            event_log.emit_image(call.root, "save", store.resolve(name).id)


def load(call: Call) -> None:
    """POST /images/load."""
    from minidock.image.load import load_images
    from minidock.image.registry.manifests import parse_platform

    platform, quiet = call.text("platform"), call.flag("quiet")
    with call.progress() as stream:
        stream.begin()  # as in docker, also what is wrong with the archive is told in the stream
        wanted = parse_platform(platform) if platform and not platform.startswith("{") else None
        for loaded in load_images(Store(call.root), BodyReader(call), wanted):
            event_log.emit_image(call.root, "load", loaded.image.id, loaded.image.labels)
            for name, old in loaded.replaced.items() if not quiet else ():
                line = f"The image {name} already exists, renaming the old one with ID {old} to empty string\n"
                stream.json({"stream": line})
            for name in loaded.names:
                stream.json({"stream": f"Loaded image: {name}\n"})
            if not loaded.names:
                stream.json({"stream": f"Loaded image ID: {loaded.image.id}\n"})
