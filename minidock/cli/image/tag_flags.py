"""What `pull` and `push` have in common: --all-tags, and the default tag."""

from __future__ import annotations

from typing import TYPE_CHECKING

from minidock.errors import UsageError
from minidock.image.reference import DEFAULT_TAG

if TYPE_CHECKING:
    from minidock.image.reference import Reference
    from minidock.image.registry.transfer_progress import Progress


def refuse_tag(name: Reference) -> None:
    if name.tag or name.digest:
        raise UsageError("tag can't be used with --all-tags/-a")


def with_default_tag(name: Reference, progress: Progress) -> Reference:
    """The name with the default tag, if it has neither tag nor digest."""
    if name.tag or name.digest:
        return name
    progress.say(f"Using default tag: {DEFAULT_TAG}")
    return name._replace(tag=DEFAULT_TAG)
