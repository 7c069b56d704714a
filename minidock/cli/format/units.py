"""Sizes, lengths of time and ids as docker prints them for people (github.com/docker/go-units)."""

from __future__ import annotations

from minidock.durations import since


def short_id(image_id: str) -> str:
    """The twelve digits by which docker shows an image."""
    return image_id.removeprefix("sha256:")[:12]


def created_since(created: str) -> str:
    """How long ago an image was made (RFC 3339); "N/A" for one whose configuration does not say."""
    return f"{since(created)} ago" if created[:4] > "0001" else "N/A"


def go_time(created: str) -> str:
    """A time as Go prints it."""
    return f"{created[:10]} {created[11:19]} +0000 UTC" if created else ""


def size(count: int, digits: int = 3) -> str:
    """Bytes as docker writes them, in powers of 1000 (github.com/docker/go-units, HumanSize).

    `digits` are three in lists of images, and four where docker tells what takes how much of the disk.
    """
    value, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB", "PB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.{digits}g}{unit}"
