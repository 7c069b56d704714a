"""Networks, and containers on them."""

from __future__ import annotations

from minidock.api.call import Call
from minidock.api.http_errors import Status
from minidock.api.models import endpoint_settings
from minidock.api.models import network_json as models
from minidock.engine.container import recovery
from minidock.engine.inspect import inspect_network
from minidock.engine.networks import networks
from minidock.errors import ConflictError, NotFoundError
from minidock.image import image_filters


def ls(call: Call) -> None:
    """GET /networks."""
    wanted = image_filters.parse(call.filters(), networks.FOR_LISTS)
    recovery.sweep_all(call.root)
    found = networks.select(call.root, wanted)
    call.json([models.listed(inspect_network.network(call.root, network)) for network in found])


def inspect(call: Call) -> None:
    """GET /networks/NAME."""
    if call.text("scope") not in ("", "local"):
        raise NotFoundError(f"network {call.name} not found")
    recovery.sweep_all(call.root)
    call.json(inspect_network.network(call.root, networks.find(call.root, call.name), verbose=call.flag("verbose")))


def create(call: Call) -> None:
    """POST /networks/create."""
    made = networks.create(call.root, models.read(call.fields(needed=True)))
    call.json({"Id": made.id, "Warning": ""}, 201)


def remove(call: Call) -> None:
    """DELETE /networks/NAME; 403 for one that is in use, or that there always is."""
    recovery.sweep_all(call.root)
    try:
        networks.remove(call.root, call.name)
    except ConflictError as error:
        raise Status(403, str(error)) from error
    call.empty()


def prune(call: Call) -> None:
    """POST /networks/prune."""
    wanted = image_filters.parse(call.filters(), networks.FOR_PRUNE)
    recovery.sweep_all(call.root)
    removed = networks.prune(call.root, wanted)
    call.json({"NetworksDeleted": [network.name for network in removed] or None})


def connect(call: Call) -> None:
    """POST /networks/NAME/connect."""
    from minidock.engine.networks import connect_container

    asked = call.fields(needed=True)
    recovery.sweep_all(call.root)
    try:
        connect_container.connect(call.root, call.name, asked.text("Container"),
                                  endpoint_settings.attachment(asked.child("EndpointConfig")))  # fmt: skip
    except ConflictError as error:
        raise Status(403, str(error)) from error
    call.empty(200)


def disconnect(call: Call) -> None:
    """POST /networks/NAME/disconnect."""
    from minidock.engine.networks import connect_container

    asked = call.fields(needed=True)
    recovery.sweep_all(call.root)
    try:
        connect_container.disconnect(call.root, call.name, asked.text("Container"), force=asked.flag("Force"))
    except ConflictError as error:
        raise Status(403, str(error)) from error
    call.empty(200)
