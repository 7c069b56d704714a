"""What docker has and this host has not: answered as a docker without it answers."""

from __future__ import annotations

from minidock.api.call import Call
from minidock.api.http_errors import Status

_NO_MANAGER = (
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to '
    "swarm and try again."
)
_NO_BUILDKIT = (
    "BuildKit's protocol is not spoken here: set DOCKER_BUILDKIT=0, or use `minidock build`, which knows its language"
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


def session(call: Call) -> None:
    """POST /session: what a client without buildx opens beside a build by BuildKit."""
    raise Status(501, _NO_BUILDKIT)


def grpc(call: Call) -> None:
    """POST /grpc: BuildKit's own protocol, which buildx uses unless DOCKER_BUILDKIT=0 says otherwise.

    With an error here it would fetch BuildKit and run it in a container, from which no image comes back by itself.
    """
    if "upgrade" not in call.request.headers.get("connection", "").lower():
        raise Status(501, _NO_BUILDKIT)
    from minidock.api.streams.grpc_refusal import refuse_calls

    refuse_calls(call.hijack("application/grpc"), _NO_BUILDKIT)


def checkpoints(call: Call) -> None:
    """Checkpoints are experimental in docker, too."""
    raise Status(501, "checkpoints are not part of minidock")
