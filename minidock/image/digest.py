"""Digests: names made of the content's hash, `sha256:` and 64 hexadecimal digits (OCI image spec, descriptor.md).

Everything in the store is found by its digest, so content under the right name is the right content.
"""

from __future__ import annotations

import re

from minidock.errors import MinidockError

_SHA256 = re.compile("sha256:([0-9a-f]{64})")
EMPTY_FILE = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

EMPTY_LAYER = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"  # a tar of two empty blocks


class DigestMismatch(MinidockError):
    """Content does not have the expected digest: it was damaged on the way, or forged."""


def hex_of(digest: str) -> str:
    """The digits of a sha256 digest. They become a file name, so anything else is refused. Raises `MinidockError`."""
    match = _SHA256.fullmatch(digest)
    if match is None:
        raise MinidockError(f"{digest!r} is not a digest that minidock knows: sha256:<64 digits>")
    return match[1]


def is_digest(text: object) -> bool:
    """Whether `text` is a sha256 digest."""
    return isinstance(text, str) and _SHA256.fullmatch(text) is not None


def of_bytes(content: bytes) -> str:
    """The digest of `content`."""
    from hashlib import sha256  # not at the top: `run` reads images by digest, but hashes nothing

    return f"sha256:{sha256(content).hexdigest()}"
