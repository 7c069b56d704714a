"""What docker has and this host has not: answered as a docker without it answers."""

from __future__ import annotations

from minidock.api.call import Call
from minidock.api.http_errors import Status

_NO_MANAGER = (
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to '
    "swarm and try again."
)


def swarm(call: Call) -> None:
    """Swarm: this node is none of one (moby: daemon/cluster/errors.go)."""
    if call.path in ("/swarm/init", "/swarm/join"):
        raise Status(501, "swarm mode is not part of minidock")
    raise Status(503, "This node is not part of a swarm" if call.path == "/swarm/leave" else _NO_MANAGER)


def no_plugins(call: Call) -> None:
    """GET /plugins."""
    call.json([])


def plugins(call: Call) -> None:
    """Everything else about plugins."""
    name = call.path.split("/")[2] if call.path.count("/") > 1 else ""
    raise Status(404, f'plugin "{name}" not found: plugins are not part of minidock')


def buildkit(call: Call) -> None:
    """BuildKit's own protocol, which the client uses unless DOCKER_BUILDKIT=0 says otherwise."""
    why = "set DOCKER_BUILDKIT=0, or use `minidock build`, which knows its language"
    raise Status(501, f"BuildKit's protocol is not spoken here: {why}")


def checkpoints(call: Call) -> None:
    """Checkpoints are experimental in docker, too."""
    raise Status(501, "checkpoints are not part of minidock")
