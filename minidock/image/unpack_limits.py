"""Limits on what a layer may cost: a few kilobytes of gzip can stand for terabytes of zeros.

The defaults are far above any image that people use. Each has an environment variable for the image that is
larger.
"""

from __future__ import annotations

import os

from minidock.errors import UsageError
from minidock.named_tuple import NamedTuple

MANIFEST_BYTES = 4 << 20  # what the OCI distribution spec has registries accept ("Pushing Manifests")


class Limits(NamedTuple):
    """The most that one layer may have."""

    layer_bytes: int = 64 << 30  # of unpacked tar stream
    layer_entries: int = 5_000_000
    header_bytes: int = 8 << 20  # of one entry: PAX records, long names, sparse map


_VARIABLES = {"layer_bytes": "MINIDOCK_MAX_LAYER_BYTES", "layer_entries": "MINIDOCK_MAX_LAYER_ENTRIES"}


def from_environment() -> Limits:
    """The limits, with what MINIDOCK_MAX_LAYER_BYTES and MINIDOCK_MAX_LAYER_ENTRIES say."""
    changes = {}
    for field, variable in _VARIABLES.items():
        if text := os.environ.get(variable):
            if not text.isdecimal():
                raise UsageError(f"{variable} is {text!r}, which is not a number")
            changes[field] = int(text)
    return Limits()._replace(**changes)
