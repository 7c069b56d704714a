"""Volumes: directories that outlive the containers that use them (book 4.2.2).

    <root>/volumes/.lock                held to make, remove or mount one, and to look who uses them
    <root>/volumes/<name>/volume.json   what `volume inspect` shows
    <root>/volumes/<name>/_data         what containers see
    <root>/volumes/<name>/users/<id>    for a volume with --opt, which is mounted while it is used: by whom

A volume appears and disappears by one rename(2) each, so there is a whole one or none. Who uses a volume is not written
there: the containers' records say it, and a container is on record before its volumes are made.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from minidock import state
from minidock.engine.container import names, records
from minidock.engine.events import event_log
from minidock.errors import NotFoundError, UsageError
from minidock.linux import syscalls
from minidock.linux.directory_trees import remove_tree, tree_size
from minidock.observe import step
from minidock.state import DamagedError

# Docker's label for a volume that was given no name: what `volume prune` removes without --all.
ANONYMOUS = "com.docker.volume.anonymous"
DRIVER = "local"
_NAME = re.compile("[a-zA-Z0-9][a-zA-Z0-9_.-]+")
_OPTIONS = ("type", "o", "device")
_MAYBE = (dict, type(None))
_SHAPE = {"createdAt": str, "driver": str, "labels": _MAYBE, "options": _MAYBE}
_CURE = "restore it from a backup, or copy what is in _data beside it and remove the volume with volume rm {}"


class Volume:
    """One volume: `data` is the content of its volume.json. `damage`: why that cannot be read."""

    def __init__(self, root: str, name: str, data: dict[str, Any], damage: DamagedError | None = None) -> None:
        self.root = root
        self.name = name
        self.data = data
        self.damage = damage

    @property
    def directory(self) -> str:
        """Where everything about the volume is."""
        return os.path.join(directory(self.root), self.name)

    @property
    def mountpoint(self) -> str:
        """The directory that containers see."""
        return os.path.join(self.directory, "_data")

    @property
    def labels(self) -> dict[str, str]:
        """What --label said."""
        return self.data["labels"] or {}

    @property
    def options(self) -> dict[str, str]:
        """What --opt said: with any, a file system is mounted on `mountpoint` while a container uses the volume."""
        return self.data["options"] or {}

    @property
    def is_anonymous(self) -> bool:
        """Whether it was given no name."""
        return ANONYMOUS in self.labels

    def path(self, *parts: str) -> str:
        """A path inside the volume's own directory."""
        return os.path.join(self.directory, *parts)

    def describe(self) -> dict[str, Any]:
        """In docker's form (Docker Engine API, Volume)."""
        return {
            "CreatedAt": self.data["createdAt"],
            "Driver": self.data["driver"],
            "Labels": self.data["labels"],
            "Mountpoint": self.mountpoint,
            "Name": self.name,
            "Options": self.data["options"],
            "Scope": "local",
        }


def directory(root: str) -> str:
    """Where all volumes are."""
    return os.path.join(root, "volumes")


@contextmanager
def locked(root: str) -> Iterator[None]:
    """Hold the lock of all volumes. What a maker or remover left that was killed is gone then.

    Never ask for the lock of all containers inside: a sweep that holds that one asks for this one.
    """
    with state.locked(os.path.join(state.directory(root, "volumes"), ".lock")):
        for name in os.listdir(directory(root)):
            if name.startswith(".making-"):  # its maker would have the lock
                remove_tree(os.path.join(directory(root), name))
            elif name.startswith(".removing-"):
                _remove_unless_busy(os.path.join(directory(root), name))
        yield


def _remove_unless_busy(doomed: str) -> None:
    """Finish the removal of a volume, unless whoever began it is still at it."""
    try:
        fd = os.open(doomed, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        with suppress(BlockingIOError):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove_tree(doomed)
    finally:
        os.close(fd)


def check_name(name: str) -> None:
    """Docker's grammar for names of volumes."""
    if len(name) == 1 and name.isalnum():
        raise UsageError(
            f"create {name}: volume name is too short, names should be at least two alphanumeric characters"
        )
    if not _NAME.fullmatch(name):
        raise UsageError(
            f'create {name}: "{name}" includes invalid characters for a local volume name, only '
            '"[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path'
        )


def create(root: str, name: str, *, driver: str = "", labels: dict[str, str] | None = None,
           options: dict[str, str] | None = None) -> Volume:  # fmt: skip
    """The volume `name`, made if there is none; "" is a new one, with a name that nobody else has.

    Raises `UsageError` for a name, a driver or options that there cannot be. One that is there stays as it is.
    """
    labels = dict(labels or {}) or None
    if not name:
        name, labels = names.new_id(), {**(labels or {}), ANONYMOUS: ""}
    check_name(name)
    if driver not in ("", DRIVER):
        raise NotFoundError(f'create {name}: error looking up volume plugin {driver}: plugin "{driver}" not found')
    _check_options(name, options or {})
    with locked(root):
        if volume := load(root, name):
            return volume
        volume = Volume(root, name, {"createdAt": state.now()[:19] + "Z", "driver": DRIVER, "labels": labels,
                                     "options": dict(options or {}) or None})  # fmt: skip
        with step("Create a volume", book="4.2.2"):
            _make(volume)
    event_log.emit(root, "volume", "create", name, driver=DRIVER)
    return volume


def _check_options(name: str, options: dict[str, str]) -> None:
    """Those of docker's local driver, which are mount(8)'s: a file system's type, its device, and -o."""
    for key in options:
        if key not in _OPTIONS:
            raise UsageError(f'create {name}: invalid option: "{key}"')
    for key in ("device", "type"):
        if options and key not in options:
            raise UsageError(f'create {name}: missing required option: "{key}"')


def _make(volume: Volume) -> None:
    making = os.path.join(directory(volume.root), f".making-{volume.name}")
    syscalls.mkdir(making, 0o701)
    try:
        syscalls.mkdir(os.path.join(making, "_data"), 0o755)
        state.write_json(os.path.join(making, "volume.json"), {"name": volume.name, **volume.data})
        syscalls.rename(making, volume.directory)
    except BaseException:
        with suppress(OSError):  # the first error is the one to tell; the next who takes the lock does this again
            remove_tree(making)
        raise


def load(root: str, name: str) -> Volume | None:
    """The volume called `name`, if there is one. Raises `DamagedError` if nobody can tell how it is to be mounted."""
    volume = look(root, name)
    if volume and volume.damage:
        raise volume.damage
    return volume


def look(root: str, name: str) -> Volume | None:
    """The volume called `name`, if there is one, damaged or not: to be listed, or to be removed by its name."""
    place = os.path.join(directory(root), name)
    path = os.path.join(place, "volume.json")
    if not _NAME.fullmatch(name) or not os.path.isdir(place):
        return None
    try:
        return Volume(root, name, state.read_json(path, _SHAPE, _CURE.format(name)))
    except DamagedError as error:
        damage = error
    except FileNotFoundError:
        if not os.path.isdir(os.path.join(place, "_data")):
            return None  # removed just now, or none of ours
        damage = DamagedError(path, "it is missing", _CURE.format(name))
    return Volume(root, name, {"createdAt": "", "driver": DRIVER, "labels": None, "options": None}, damage)


def find(root: str, name: str) -> Volume:
    """The volume that a user means. Raises `NotFoundError`."""
    volume = load(root, name)
    if volume is None:
        raise NotFoundError(f"get {name}: no such volume")
    return volume


def load_all(root: str) -> list[Volume]:
    """All volumes, by name, the damaged ones too."""
    try:
        found = sorted(os.listdir(directory(root)))
    except FileNotFoundError:
        return []
    return [volume for name in found if not name.startswith(".") and (volume := look(root, name))]


def users(root: str) -> dict[str, list[str]]:
    """The names of volumes that containers have, each with those containers' ids."""
    found: dict[str, list[str]] = {}
    for record in records.load_all(root):
        for name in {point["name"] for point in record.data.get("mounts", ()) if point["type"] == "volume"}:
            found.setdefault(name, []).append(record.id)
    return found


def size(volume: Volume) -> int:
    """The bytes in its files."""
    return tree_size(volume.mountpoint)


def file_names(directory: str) -> list[str]:
    """What is in a directory; nothing, if it is not there."""
    try:
        return os.listdir(directory)
    except FileNotFoundError:
        return []
