"""POST /containers/create."""

from __future__ import annotations

from minidock.api.call import Call
from minidock.api.models import container_config
from minidock.engine.container.create import create_container, keep_created
from minidock.engine.images import find_image
from minidock.engine.monitor import spawn
from minidock.errors import UsageError


def create(call: Call) -> None:
    """Make a container, on paper; who starts it is another request."""
    config = call.fields(needed=True)
    warnings: list[str] = []
    name = call.text("name")
    options = container_config.read(call.root, name, config, warnings.append)
    if not options.image:
        raise UsageError("no image specified")
    image = find_image.find_or_fetch(call.root, options.image, "never", None, call.text("platform"))
    record, lock = create_container(call.root, options, image)
    keep_created(record, lock)
    call.json({"Id": record.id, "Warnings": warnings}, 201)
    # Most are started at once, over the same connection: what their monitor needs is loaded while the client thinks.
    if not spawn.is_waiting():
        spawn.start_early(bridged=options.network not in ("host", "none"))
