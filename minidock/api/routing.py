"""Which function answers which path: one table, so that what there is can be seen at a look.

Names of images have slashes, names of other things have none. A module is imported when the first of its paths is asked
for, or before the first connection if nearly everybody asks for it (`preload`).
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from functools import cache

from minidock.api import guard
from minidock.api.call import Call
from minidock.api.http_errors import ClientGone, Status

Handler = Callable[[Call], None]

_NAME = "(?P<name>.+)"  # may have slashes, as images have and links of containers
# (method, path, module in routes/, function)
_TABLE = [
    ("GET", "/_ping", "system", "ping"),
    ("HEAD", "/_ping", "system", "ping"),
    ("GET", "/version", "system", "version"),
    ("GET", "/info", "system", "info"),
    ("GET", "/events", "system", "events"),
    ("GET", "/system/df", "system", "disk_usage"),
    ("POST", "/auth", "registries", "login"),
    ("GET", "/containers/json", "containers", "ls"),
    ("POST", "/containers/create", "container_create", "create"),
    ("POST", "/containers/prune", "containers", "prune"),
    ("GET", f"/containers/{_NAME}/json", "containers", "inspect"),
    ("GET", f"/containers/{_NAME}/top", "containers", "top"),
    ("GET", f"/containers/{_NAME}/changes", "containers", "changes"),
    ("DELETE", f"/containers/{_NAME}", "containers", "remove"),
    ("POST", f"/containers/{_NAME}/start", "container_life", "start"),
    ("POST", f"/containers/{_NAME}/stop", "container_life", "stop"),
    ("POST", f"/containers/{_NAME}/restart", "container_life", "restart"),
    ("POST", f"/containers/{_NAME}/kill", "container_life", "kill"),
    ("POST", f"/containers/{_NAME}/pause", "container_life", "pause"),
    ("POST", f"/containers/{_NAME}/unpause", "container_life", "unpause"),
    ("POST", f"/containers/{_NAME}/rename", "container_life", "rename"),
    ("POST", f"/containers/{_NAME}/update", "container_life", "update"),
    ("POST", f"/containers/{_NAME}/resize", "container_life", "resize"),
    ("POST", f"/containers/{_NAME}/wait", "container_life", "wait"),
    ("POST", f"/containers/{_NAME}/attach", "attach", "attach"),
    ("GET", f"/containers/{_NAME}/attach/ws", "attach", "attach_by_websocket"),
    ("GET", f"/containers/{_NAME}/logs", "logs", "logs"),
    ("GET", f"/containers/{_NAME}/stats", "stats", "stats"),
    ("GET", f"/containers/{_NAME}/export", "files", "export"),
    ("GET", f"/containers/{_NAME}/archive", "files", "get_archive"),
    ("HEAD", f"/containers/{_NAME}/archive", "files", "stat_archive"),
    ("PUT", f"/containers/{_NAME}/archive", "files", "put_archive"),
    ("POST", f"/containers/{_NAME}/exec", "execs", "create"),
    ("POST", f"/exec/{_NAME}/start", "execs", "start"),
    ("POST", f"/exec/{_NAME}/resize", "execs", "resize"),
    ("GET", f"/exec/{_NAME}/json", "execs", "inspect"),
    ("POST", "/commit", "files", "commit"),
    ("GET", "/images/json", "images", "ls"),
    ("POST", "/images/create", "registries", "pull_or_import"),
    ("POST", "/images/load", "image_archives", "load"),
    ("POST", "/images/prune", "images", "prune"),
    ("GET", "/images/search", "registries", "search"),
    ("GET", "/images/get", "image_archives", "save"),
    ("GET", f"/images/{_NAME}/get", "image_archives", "save"),
    ("GET", f"/images/{_NAME}/json", "images", "inspect"),
    ("GET", f"/images/{_NAME}/history", "images", "history"),
    ("POST", f"/images/{_NAME}/push", "registries", "push"),
    ("POST", f"/images/{_NAME}/tag", "images", "tag"),
    ("DELETE", f"/images/{_NAME}", "images", "remove"),
    ("GET", f"/distribution/{_NAME}/json", "registries", "distribution"),
    ("POST", "/build", "builds", "build"),
    ("POST", "/build/prune", "builds", "prune"),
    ("POST", "/build/cancel", "builds", "cancel"),
    ("GET", "/networks", "networks", "ls"),
    ("POST", "/networks/create", "networks", "create"),
    ("POST", "/networks/prune", "networks", "prune"),
    ("GET", f"/networks/{_NAME}", "networks", "inspect"),
    ("DELETE", f"/networks/{_NAME}", "networks", "remove"),
    ("POST", f"/networks/{_NAME}/connect", "networks", "connect"),
    ("POST", f"/networks/{_NAME}/disconnect", "networks", "disconnect"),
    ("GET", "/volumes", "volumes", "ls"),
    ("POST", "/volumes/create", "volumes", "create"),
    ("POST", "/volumes/prune", "volumes", "prune"),
    ("GET", f"/volumes/{_NAME}", "volumes", "inspect"),
    ("PUT", f"/volumes/{_NAME}", "absent", "swarm"),
    ("DELETE", f"/volumes/{_NAME}", "volumes", "remove"),
    ("GET", "/plugins", "absent", "no_plugins"),
    ("*", "/plugins(/.*)?", "absent", "plugins"),
    ("*", "/(swarm|nodes|services|tasks|secrets|configs)(/.*)?", "absent", "swarm"),
    ("POST", "/session", "absent", "session"),
    ("POST", "/grpc", "absent", "grpc"),
    ("*", "/containers/[^/]+/checkpoints(/.*)?", "absent", "checkpoints"),
]
_COMMON = ("system", "containers", "container_create", "container_life", "attach", "logs", "execs", "images",
           "networks", "volumes")  # fmt: skip
_ENGINE = ("minidock.engine.monitor.attach_client", "minidock.engine.inspect.inspect_container")


@cache
def _patterns() -> list[tuple[str, re.Pattern[str], str, str]]:
    return [(method, re.compile(path), module, function) for method, path, module, function in _TABLE]


def preload() -> None:
    """Import what nearly every client asks for, so that no connection has to."""
    for name in _COMMON:
        importlib.import_module(f"minidock.api.routes.{name}")
    for name in _ENGINE:
        importlib.import_module(name)
    _patterns()


def answer(call: Call) -> None:
    """Answer a request, whatever happens."""
    try:
        guard.check(call.request, is_local=call.connection.is_local)
        call.find_version()
        _handler(call)(call)
    except ClientGone:
        raise
    except Exception as error:
        call.fail(error)


def _handler(call: Call) -> Handler:
    other = False
    for method, pattern, module, function in _patterns():
        if match := pattern.fullmatch(call.path):
            if method in ("*", call.request.method):
                call.names = match.groupdict()
                found: Handler = getattr(importlib.import_module(f"minidock.api.routes.{module}"), function)
                return found
            other = True
    raise Status(405 if other else 404, "Method Not Allowed" if other else "page not found")
