"""Sizes, lengths of time and ids as docker prints them for people (github.com/docker/go-units)."""

from __future__ import annotations

import calendar
import time


def since(moment: str) -> str:
    """How long ago an RFC 3339 UTC time was, in docker's words ("About a minute")."""
    return duration(time.time() - calendar.timegm(time.strptime(moment[:19], "%Y-%m-%dT%H:%M:%S")))


def duration(seconds: float) -> str:
    """A length of time in docker's words (github.com/docker/go-units, HumanDuration)."""
    whole = int(seconds)
    if whole < 1:
        return "Less than a second"
    if whole < 60:
        return f"{whole} second{'s' if whole != 1 else ''}"
    minutes, hours = whole // 60, round(seconds / 3600)
    if minutes == 1:
        return "About a minute"
    if minutes < 60:
        return f"{minutes} minutes"
    if hours == 1:
        return "About an hour"
    for limit, unit, name in ((48, 1, "hours"), (24 * 14, 24, "days"), (24 * 60, 24 * 7, "weeks"),
                              (24 * 365 * 2, 24 * 30, "months")):  # fmt: skip
        if hours < limit:
            return f"{hours // unit} {name}"
    return f"{hours // 24 // 365} years"


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
