"""Parse -v, --mount, --tmpfs and --volumes-from, with docker's errors for malformed ones.

-v /on/the/host:/inside[:ro,...]    a bind, whose source is made if it is missing
-v name:/inside[:ro,nocopy,...]     a volume
-v /on/the/host:/inside:idmap       a bind whose owner is, inside, the container's user (podman's word)
-v /inside                          a new volume without a name
--mount type=bind|volume|tmpfs,...  the same in so many words, and more; a bind's source has to be there
"""

from __future__ import annotations

import os
import re
from typing import Any

from minidock.engine.container.container_options import Mount
from minidock.engine.request import values
from minidock.engine.request.values import declined, fail
from minidock.errors import MinidockError, UsageError

PROPAGATION = ("private", "rprivate", "slave", "rslave", "shared", "rshared")
# The words after the second colon of -v: one of each row at most.
_MODES = (("ro", "rw"), ("z", "Z"), PROPAGATION, ("nocopy",), ("idmap",),
          ("consistent", "cached", "delegated", "default"))  # fmt: skip
_TRUE, _FALSE = ("1", "t", "T", "true", "TRUE", "True"), ("0", "f", "F", "false", "FALSE", "False")
_SWITCHES = ("idmap", "readonly", "volume-nocopy", "bind-nonrecursive", "bind-create-src")
_OTHER_NAMES = {"ro": "readonly", "src": "source", "dst": "target", "destination": "target"}
_KEYS = {"idmap", "type", "source", "target", "readonly", "consistency", "bind-propagation", "bind-nonrecursive",
         "bind-recursive", "bind-create-src", "volume-nocopy", "volume-subpath", "volume-label", "volume-driver",
         "volume-opt", "tmpfs-size", "tmpfs-mode"}  # fmt: skip
_RECURSIONS = ("enabled", "disabled", "writable", "readonly")


def volume(text: str, driver: str = "") -> Mount | str:
    """One -v: a `Mount`, or the place of a volume without a name. `driver` is --volume-driver's."""
    if not text:
        raise fail("invalid empty volume spec")
    parts = text.split(":")
    if len(parts) == 1:
        return place(text)
    if not all(parts):
        raise declined(f"invalid spec: {text}: empty section between colons")
    if len(parts) > 3 or (len(parts) == 2 and _modes(parts[1]) is not None):
        raise declined(f"invalid volume specification: '{text}'")
    source, target, mode = parts[0], parts[1], parts[2] if len(parts) == 3 else ""
    words = _modes(mode)
    if words is None:
        raise declined(f"invalid mode: {mode}")
    source = os.path.abspath(source) if source.startswith((".", "/")) else source
    kind = "bind" if source.startswith("/") else "volume"
    propagation = next((word for word in words if word in PROPAGATION), "")
    try:
        if kind == "volume" and propagation:
            raise _bad(kind, "field BindOptions must not be specified")
        if kind == "bind" and "nocopy" in words:
            raise _bad(kind, "field VolumeOptions must not be specified")
        if kind == "volume" and "idmap" in words:
            raise _bad(kind, "idmap is for a directory of the host's: a volume's ids are the container's anyway")
        target = _target(kind, target)
    except UsageError as error:
        raise declined(f"invalid volume specification: '{text}': {error}") from None
    shown = ":".join([source, *parts[1:]])
    return plain(kind, source, target)._replace(
        text=shown, mode=mode, read_only="ro" in words, propagation=propagation, create=True,
        copy="nocopy" not in words, driver=driver if kind == "volume" else "",
    )  # fmt: skip


def place(text: str) -> str:
    """Where a volume without a name is to be: -v /inside, or an image's VOLUME."""
    path = _absolute(text)
    if path == "/":
        raise declined("invalid specification: destination can't be '/'")
    return path


def mount(text: str) -> Mount:
    """One --mount."""
    try:
        options = _options(text)
        asked = _typed(options)
    except ValueError as error:
        raise fail(f'invalid argument "{text}" for "--mount" flag: {error}') from None
    return checked(asked)


def checked(asked: Mount) -> Mount:
    """One --mount whose fields are read. Raises `UsageError` in docker's words for what cannot be meant."""
    if asked.kind == "tmpfs" and asked.source:
        raise _bad("tmpfs", "field Source must not be specified")
    if asked.kind != "bind" and asked.mode:
        raise _bad(asked.kind, "idmap is for a bind")
    if asked.kind == "bind" and not asked.source:
        raise _bad("bind", "field Source must not be empty")
    if asked.kind not in ("bind", "volume", "tmpfs"):
        raise _bad(asked.kind, "mount type unknown")
    if asked.subpath and not asked.source:
        raise _bad("volume", "must not set Subpath when using anonymous volumes")
    if asked.subpath and (asked.subpath.startswith("/") or ".." in asked.subpath.split("/")):
        raise _bad("volume", "subpath must be a relative path within the volume")
    if asked.propagation and asked.propagation not in PROPAGATION:
        raise _bad(asked.kind, f"invalid propagation mode: {asked.propagation}")
    target = _target(asked.kind, asked.target)
    if asked.kind == "bind" and not asked.source.startswith("/"):
        raise _bad("bind", f"invalid mount path: '{asked.source}' mount path must be absolute")
    if asked.kind == "bind" and not asked.create and not os.path.exists(asked.source):
        raise _bad("bind", f"bind source path does not exist: {asked.source}")
    return asked._replace(target=target)


def tmpfs(text: str) -> tuple[str, list[str]]:
    """--tmpfs path[:options]."""
    from minidock.linux.mount_options import FLAG_OPTIONS

    path, _, words = text.partition(":")
    path = place(path)
    asked = [word for word in words.split(",") if word]
    for word in asked:
        key = word.partition("=")[0]
        if word not in FLAG_OPTIONS and key not in ("size", "mode", "uid", "gid", "nr_inodes", "nr_blocks"):
            raise declined(f'invalid tmpfs option ["{word}"]')
    return path, ["noexec", "nosuid", "nodev", *asked]


def volumes_from(text: str) -> str:
    """--volumes-from container[:mode]: its volumes and binds, all read-only with `ro`."""
    container, _, mode = text.partition(":")
    if not container:
        raise declined("volumes-from specification cannot be an empty string")
    words = _modes(mode)
    if words is None or "nocopy" in words or set(words) & set(PROPAGATION):
        raise declined(f"invalid mode: {mode}")
    return text


def plain(kind: str, source: str, target: str) -> Mount:
    """A `Mount` of which no more is asked."""
    return Mount(kind=kind, source=source, subpath="", target=target, text="", mode="", read_only=False, propagation="",
                 recursion="enabled", create=False, copy=True, driver="", labels={}, driver_options={}, size=0,
                 permissions=0)  # fmt: skip


def _modes(text: str) -> list[str] | None:
    """The words of a mode; None if it is none."""
    words = text.split(",") if text else []
    if any(sum(word in row for word in words) > 1 for row in _MODES):
        return None
    return words if all(any(word in row for row in _MODES) for word in words) else None


def _absolute(path: str) -> str:
    if not path.startswith("/"):
        raise declined(f"invalid mount path: '{path}' mount path must be absolute")
    return "/" + os.path.normpath(path).lstrip("/")


def _target(kind: str, path: str) -> str:
    try:
        return place(path)
    except UsageError as error:
        raise _bad(kind, str(error)) from None


def _bad(kind: str, why: str) -> MinidockError:
    return declined(f'invalid mount config for type "{kind}": {why}')


# --mount's fields


def _options(text: str) -> list[tuple[str, str | None]]:
    """(key, value) of each field, which are those of a CSV line (RFC 4180). Raises `ValueError`."""
    import csv

    fields = next(csv.reader([text], strict=True), []) if text else []
    if not fields:
        raise ValueError("value is empty")
    options: list[tuple[str, str | None]] = []
    for field in fields:
        name, equals, value = field.partition("=")
        key = _OTHER_NAMES.get(name.lower(), name.lower())
        if not equals and key not in _SWITCHES:
            raise ValueError(f"invalid field '{field}' must be a key=value pair")
        if key not in _KEYS:
            raise ValueError(f"unexpected key '{name}' in '{field}'")
        options.append((key, value if equals else None))
    return options


def _typed(options: list[tuple[str, str | None]]) -> Mount:
    """The fields as a `Mount`. Raises `ValueError`."""
    asked = plain("volume", "", "")
    for key, text in options:
        value = text or ""
        if key in _SWITCHES:
            asked = _switched(asked, key, text)
        elif key in ("volume-label", "volume-opt"):
            name, _, content = value.partition("=")
            changes: Any = {"labels" if key == "volume-label" else "driver_options": {name: content}}
            asked = asked._replace(**{field: getattr(asked, field) | row for field, row in changes.items()})
        elif key != "consistency":  # which means something on macOS
            asked = asked._replace(**_field(key, value))
    _check_mixture(asked.kind, [key for key, _ in options])
    if not asked.target:
        raise ValueError("target is required")
    if asked.recursion in ("writable", "readonly") and not asked.read_only:
        raise ValueError(
            f"option 'bind-recursive={asked.recursion}' requires 'readonly' to be specified in conjunction"
        )
    if asked.recursion == "readonly" and asked.propagation != "rprivate":
        raise ValueError(
            "option 'bind-recursive=readonly' requires 'bind-propagation=rprivate' to be specified in conjunction"
        )
    return asked


def _switched(asked: Mount, key: str, text: str | None) -> Mount:
    if text is not None and text not in _TRUE + _FALSE:
        raise ValueError(f"invalid value for {key}: {text}")
    on = text is None or text in _TRUE
    changes: dict[str, Any] = {
        "idmap": {"mode": "idmap" if on else ""},
        "readonly": {"read_only": on},
        "volume-nocopy": {"copy": not on},
        "bind-nonrecursive": {"recursion": "disabled" if on else "enabled"},
        "bind-create-src": {"create": on},
    }
    return asked._replace(**changes[key])


def _field(key: str, value: str) -> Any:
    """What one field that has a value says of the `Mount`."""
    if key == "bind-recursive":
        if value not in _RECURSIONS:
            raise ValueError(
                f'invalid value for {key}: {value} (must be "enabled", "disabled", "writable", or "readonly")'
            )
        return {"recursion": value}
    if key == "tmpfs-size":
        try:
            return {"size": values.size(value)}
        except ValueError:
            raise ValueError(f"invalid value for {key}: {value}") from None
    if key == "tmpfs-mode":
        if not re.fullmatch("[0-7]+", value):
            raise ValueError(f"invalid value for {key}: {value}")
        return {"permissions": int(value, 8) & 0o7777}
    if key == "source":
        return {"source": os.path.abspath(value) if value.startswith(".") else value}
    if key in ("type", "bind-propagation"):
        return {{"type": "kind"}.get(key, "propagation"): value.lower()}
    return {{"volume-driver": "driver", "volume-subpath": "subpath"}.get(key, key): value}


def _check_mixture(kind: str, keys: list[str]) -> None:
    for family in ("bind", "volume", "tmpfs"):
        if family != kind and any(key.startswith(f"{family}-") for key in keys):
            raise ValueError(f"cannot mix '{family}-*' options with mount type '{kind}'")
