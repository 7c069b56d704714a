"""What a student's program lacks."""

from __future__ import annotations

from minidock.errors import MinidockError


class Missing(MinidockError):
    """One line: what the kernel shows, and what to do."""
