"""Names and ids of containers."""

from __future__ import annotations

import os
import re

from minidock.errors import ConflictError, UsageError

_VALID = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")

# ruff: noqa: SIM905 - the lists read better as text
_MOODS = (
    "agile amused awake bold brave breezy bright calm candid cheerful clever cosy curious daring eager fair fearless "
    "festive fluent gentle gifted graceful happy honest hopeful keen kind lively lucid mellow merry modest nimble "
    "patient placid polite proud quick quiet radiant rapid serene sharp silent sincere smart steady sunny swift tender "
    "tidy upbeat vivid warm wise witty"
).split()
_SAILORS = (
    "almeida amundsen anson baffin baudin behaim bering bougainville byron cabot cabral cartier champlain cook crozier "
    "cunha dampier davis dias drake elcano erikson fitzroy flinders frobisher gama grenville hudson janszoon joliet "
    "kotzebue lasalle lisboa magellan malaspina mercator nansen nordenskjold pytheas quiros ross scoresby shackleton "
    "tasman tupaia urdaneta vancouver verrazzano vespucci wallis weddell wilkes zheng"
).split()


def new_id() -> str:
    """64 hex digits, from the kernel's random numbers."""
    return os.urandom(32).hex()


def random_name(taken: set[str]) -> str:
    """A name that can be said aloud and that is not in `taken`."""
    while True:
        number = int.from_bytes(os.urandom(4))
        name = f"{_MOODS[number % len(_MOODS)]}_{_SAILORS[number // 4096 % len(_SAILORS)]}"
        if name not in taken:
            return name
        if (name := f"{name}{number % 1000}") not in taken:
            return name


def check_name(name: str) -> str:
    """`name`, if a container may be called so; raises `UsageError` otherwise, in docker's words."""
    bare = name.removeprefix("/")
    if not _VALID.fullmatch(bare):
        raise UsageError(f"Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed", exit_code=125)
    return bare


def taken(name: str, container_id: str) -> ConflictError:
    """The error for a name that another container has."""
    return ConflictError(
        f'Conflict. The container name "/{name}" is already in use by container "{container_id}". You have to remove '
        "(or rename) that container to be able to reuse that name."
    )
