"""An image's configuration, read as docker reads it (OCI image spec, config.md). It comes from elsewhere, so all is
checked.

Docker reads it into typed fields (moby: image.Image, container.Config; Go's encoding/json). So names match in any case,
unknown names are ignored, null counts as missing, a command may be one string instead of a list, and a value of another
type is refused when the image is stored. The config of an `Image` has the types that are given here; texts may still
contain anything, a zero byte too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from minidock.errors import HostError

Reader = Callable[[Any, str], Any]

_KINDS: dict[type, str] = {dict: "object", list: "array", str: "string", bool: "bool", int: "number", float: "number",
                           type(None): "null"}  # fmt: skip
_TIME = re.compile(r"\d{4}-(0\d|1[0-2])-([0-2]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d([.,]\d+)?(Z|[+-]\d\d:[0-5]\d)")


class MalformedConfig(HostError):
    """The configuration of an image does not have the form that docker reads."""


def parse(content: bytes) -> dict[str, Any]:
    """The configuration in `content`: only known fields, each of its type, without those that are null.

    `rootfs.diff_ids` is always present. Raises `MalformedConfig` in docker's words.
    """
    try:
        document = json.loads(content.decode("utf-8", "replace"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise MalformedConfig(f"the image's configuration is not JSON ({error})") from error
    config = _fields(_IMAGE)(document, "")
    if "rootfs" not in config:
        raise MalformedConfig("invalid image JSON, no RootFS key")
    config["rootfs"].setdefault("diff_ids", [])
    return dict(config)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _refuse(value: Any, name: str, wanted: str) -> MalformedConfig:
    kind = _KINDS[type(value)]
    return MalformedConfig(f"json: cannot unmarshal {kind} into the image's {name or 'configuration'} of type {wanted}")


# A reader for each type: it takes a value that is not null and the field's name, and returns the value to use.


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise _refuse(value, name, "string")
    # Half a surrogate pair is not a character, and valid neither in file names nor on terminals.
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _flag(value: Any, name: str) -> bool:
    if not isinstance(value, bool):
        raise _refuse(value, name, "bool")
    return value


def _number(value: Any, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not -(1 << 63) <= value < 1 << 63:
        raise _refuse(value, name, "int64")
    return value


def _time(value: Any, name: str) -> str:
    text = _text(value, name)
    if not _TIME.fullmatch(text):
        raise MalformedConfig(f"parsing time {text!r} of the image's {name}: it is not as in 2006-01-02T15:04:05Z")
    return text


def _nothing(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _refuse(value, name, "struct {}")
    return {}


def _list(reader: Reader, nothing: Any, wanted: str) -> Reader:
    """A list of what `reader` takes; an element that is null is `nothing`."""

    def read(value: Any, name: str) -> list[Any]:
        if not isinstance(value, list):
            raise _refuse(value, name, wanted)
        return [nothing if element is None else reader(element, name) for element in value]

    return read


def _table(reader: Reader, nothing: Any, wanted: str) -> Reader:
    """An object with any names, of what `reader` takes; a value that is null is `nothing`."""

    def read(value: Any, name: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _refuse(value, name, wanted)
        rows = ((_text(key, name), element) for key, element in value.items())
        return {key: nothing if element is None else reader(element, name) for key, element in rows}

    return read


def _fields(known: dict[str, Reader]) -> Reader:
    """A reader for an object with known field names."""
    folded = {field.lower(): field for field in known}

    def read(value: Any, name: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _refuse(value, name, "struct")
        found = {}
        for key, element in value.items():
            field = key if key in known else folded.get(key.lower())
            if field and element is not None:
                found[field] = known[field](element, f"{name}.{field}" if name else field)
        return found

    return read


_texts = _list(_text, "", "[]string")


def _words(value: Any, name: str) -> list[str]:
    """A command: a list of words, or one word."""
    return [_text(value, name)] if isinstance(value, str) else list(_texts(value, name))


_HEALTHCHECK: dict[str, Reader] = {
    "Test": _texts, "Interval": _number, "Timeout": _number, "StartPeriod": _number, "StartInterval": _number,
    "Retries": _number,
}  # fmt: skip
_CONTAINER: dict[str, Reader] = {
    "Hostname": _text, "Domainname": _text, "User": _text, "AttachStdin": _flag, "AttachStdout": _flag,
    "AttachStderr": _flag, "ExposedPorts": _table(_nothing, {}, "map[string]struct {}"), "Tty": _flag,
    "OpenStdin": _flag, "StdinOnce": _flag, "Env": _texts, "Cmd": _words, "Healthcheck": _fields(_HEALTHCHECK),
    "ArgsEscaped": _flag, "Image": _text, "Volumes": _table(_nothing, {}, "map[string]struct {}"),
    "WorkingDir": _text, "Entrypoint": _words, "NetworkDisabled": _flag, "MacAddress": _text, "OnBuild": _texts,
    "Labels": _table(_text, "", "map[string]string"), "StopSignal": _text, "StopTimeout": _number, "Shell": _words,
}  # fmt: skip
_HISTORY: dict[str, Reader] = {
    "created": _time, "author": _text, "created_by": _text, "comment": _text, "empty_layer": _flag,
}  # fmt: skip
_IMAGE: dict[str, Reader] = {
    "created": _time, "author": _text, "comment": _text, "docker_version": _text, "architecture": _text,
    "variant": _text, "os": _text, "os.version": _text, "os.features": _texts, "config": _fields(_CONTAINER),
    "rootfs": _fields({"type": _text, "diff_ids": _texts}), "history": _list(_fields(_HISTORY), {}, "[]History"),
}  # fmt: skip
