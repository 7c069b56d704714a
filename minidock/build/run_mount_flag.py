"""RUN --mount: what a command sees beside the files of its stage (reference, "RUN --mount")."""

from __future__ import annotations

import csv

from minidock.image.dockerfile.dockerfile_errors import DockerfileError
from minidock.image.dockerfile.expand import Expansion
from minidock.image.dockerfile.suggestions import did_you_mean
from minidock.named_tuple import NamedTuple

TYPES = ("bind", "cache", "tmpfs", "secret", "ssh")
_SHARING = ("shared", "private", "locked")
_FLAGS = {"readonly": True, "ro": True, "readwrite": False, "rw": False}
_WITH_OWNER = ("cache", "secret", "ssh")


class RunMount(NamedTuple):
    """`target`: a path, "" where the kind has a default; `env`: the variable that a secret is put into instead.

    `size` in bytes, 0 for no limit; `mode`, `uid` and `gid` -1 where the kind has a default.
    """

    kind: str
    origin: str
    source: str
    target: str
    read_only: bool
    identity: str
    sharing: str
    required: bool
    env: str | None
    size: int
    mode: int
    uid: int
    gid: int


def source_of(text: str) -> str:
    """What `from=` names in a --mount, or ""."""
    return next((value for name, value in _fields(text) if name == "from" and value), "")


def _fields(text: str) -> list[tuple[str, str | None]]:
    """(key in small letters, value or None), in their order."""
    rows = list(csv.reader([text]))
    fields = [field.partition("=") for field in (rows[0] if rows else [])]
    return [(name.strip().lower(), value if equals else None) for name, equals, value in fields]


def parse(text: str, expansion: Expansion) -> RunMount:
    """One --mount. Raises `DockerfileError` in docker's words."""
    values: dict[str, str] = {}
    flags: dict[str, bool] = {}
    for name, raw in _fields(text):
        if raw is None:
            if name not in (*_FLAGS, "required"):
                raise DockerfileError(f"invalid field '{name}' must be a key=value pair")
            flags[name] = True
            continue
        value = expansion.word(raw)
        if name == "from" and value != raw:  # which stages there are is known before any of them is built
            raise DockerfileError("'from' doesn't support variable expansion, define alias stage instead")
        if name in (*_FLAGS, "required"):
            if value.lower() not in ("true", "false", "1", "0"):
                raise DockerfileError(f"invalid value for {name}: {value}")
            flags[name] = value.lower() in ("true", "1")
        elif name in _KEYS:
            values[_KEYS[name]] = value
        else:
            hint = did_you_mean(name, [*_KEYS, *_FLAGS, "required"])
            raise DockerfileError(f"unexpected key '{name}' in '{name}={raw}'{hint}")
    return _checked(values, flags)


_KEYS = {
    "type": "type", "from": "from", "source": "source", "src": "source", "target": "target", "dst": "target",
    "destination": "target", "id": "id", "sharing": "sharing", "size": "size", "mode": "mode", "uid": "uid",
    "gid": "gid", "env": "env",
}  # fmt: skip


def _checked(values: dict[str, str], flags: dict[str, bool]) -> RunMount:
    kind = values.get("type", "bind").lower()
    if kind not in TYPES:
        raise DockerfileError(f'unsupported mount type "{kind}"{did_you_mean(kind, TYPES)}')
    sharing = values.get("sharing", "").lower()
    if sharing and (sharing not in _SHARING or kind != "cache"):
        raise DockerfileError(f"invalid cache sharing set for {kind} mount" if sharing in _SHARING else
                              f'unsupported sharing value "{sharing}"{did_you_mean(sharing, _SHARING)}')  # fmt: skip
    if "required" in flags and kind not in ("secret", "ssh"):
        raise DockerfileError(f"unexpected key 'required' for mount type '{kind}'")
    if values.get("size") and kind != "tmpfs":
        raise DockerfileError(f"unexpected key 'size' for mount type '{kind}'")
    for name in ("mode", "uid", "gid"):
        if name in values and kind not in _WITH_OWNER:
            raise DockerfileError(f'{name} not allowed for "{kind}" type mounts')
    if kind == "secret" and not (values.get("source") or values.get("target") or values.get("id")):
        raise DockerfileError("invalid secret mount. one of source, target required")
    return RunMount(
        kind=kind,
        origin=values.get("from", ""),
        source=values.get("source", ""),
        target=values.get("target", ""),
        read_only=_read_only(kind, flags),
        identity=values.get("id", ""),
        sharing=sharing or "shared",
        required=flags.get("required", False),
        env=values.get("env"),
        size=_number(values, "size", 0),
        mode=_number(values, "mode", -1, base=8),
        uid=_number(values, "uid", -1),
        gid=_number(values, "gid", -1),
    )


def _read_only(kind: str, flags: dict[str, bool]) -> bool:
    for name, meaning in _FLAGS.items():
        if name in flags:
            return flags[name] == meaning
    return kind not in ("cache", "tmpfs")


_SIZES = {"b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


def _number(values: dict[str, str], name: str, default: int, base: int = 10) -> int:
    text = values.get(name, "").lower()
    if not text:
        return default
    unit = 1
    if name == "size":
        text = text.removesuffix("ib").removesuffix("b") or text
        unit = _SIZES.get(text[-1:], 1)
        text = text.rstrip("kmgt")
    try:
        return int(text, base) * unit
    except ValueError:
        raise DockerfileError(f"invalid value for {name}: {values[name]}") from None
