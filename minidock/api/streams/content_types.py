"""The content types of a container's streams."""

from __future__ import annotations

from minidock.api.versions import Version

RAW = "application/vnd.docker.raw-stream"
MULTIPLEXED = "application/vnd.docker.multiplexed-stream"
_NAMES_MULTIPLEXED = Version(1, 42)


def content_type(version: Version, *, has_terminal: bool) -> str:
    """The content type for a client of that API version; older ones have one name for both."""
    return RAW if has_terminal or version < _NAMES_MULTIPLEXED else MULTIPLEXED
