"""Reasons for features of docker that minidock does not have."""

from __future__ import annotations

NO_LINK_LOCAL = "a container sends from the addresses that its networks have given it, and from no other"
NO_DRIVER_OPTIONS = "the driver bridge has no options for a single container"
