"""Changes: the Dockerfile instructions that `import --change` applies to an image's config.

    minidock import -c 'CMD ["sh"]' -c 'ENV A=b C="d e"' rootfs.tar app:1

Docker's reference, "docker image import", lists those that are allowed; the config's fields are those of the
OCI image spec, config.md.
"""

from __future__ import annotations

import json
import posixpath
import re
import shlex
from collections.abc import Callable, Iterable
from typing import Any

from minidock.errors import UsageError

Config = dict[str, Any]

_SHELL = ["/bin/sh", "-c"]


def apply(changes: Iterable[str], config: Config) -> None:
    """Apply instructions in order to the image's `config` (the object under "config", in place)."""
    for change in changes:
        instruction, _, rest = change.strip().partition(" ")
        handler = _HANDLERS.get(instruction.upper())
        if handler is None:
            raise UsageError(f"{instruction} is not a valid change command: use {', '.join(_HANDLERS)}")
        if not rest.strip():
            raise UsageError(f"the change {instruction} needs an argument")
        try:
            handler(config, rest.strip())
        except ValueError as error:
            raise UsageError(f"the change {change!r} cannot be read: {error}") from error


def _words(text: str) -> list[str] | None:
    """The exec form `["a", "b"]`; None if it is not that."""
    try:
        words = json.loads(text)
    except ValueError:
        return None
    return words if isinstance(words, list) and all(isinstance(word, str) for word in words) else None


def _command(text: str) -> list[str]:
    """Exec form, or shell form: a line for a shell."""
    words = _words(text)
    return [*_SHELL, text] if words is None else words


def _pairs(text: str) -> list[tuple[str, str]]:
    """`A=b C="d e"`, or docker's old form `A the rest`."""
    first = text.split(None, 1)
    if "=" not in first[0]:
        if len(first) != 2:
            raise ValueError("a name and a value are needed")
        return [(first[0], first[1])]
    pairs = []
    for word in shlex.split(text):
        name, equals, value = word.partition("=")
        if not name or not equals:
            raise ValueError(f"{word!r} is not NAME=VALUE")
        pairs.append((name, value))
    return pairs


def _cmd(config: Config, text: str) -> None:
    config["Cmd"] = _command(text)


def _entrypoint(config: Config, text: str) -> None:
    config["Entrypoint"] = _command(text)


def _env(config: Config, text: str) -> None:
    entries = {entry.partition("=")[0]: entry for entry in config.get("Env") or []}
    entries |= {name: f"{name}={value}" for name, value in _pairs(text)}
    config["Env"] = list(entries.values())


def _expose(config: Config, text: str) -> None:
    ports = config.setdefault("ExposedPorts", {})
    for word in text.split():
        if not re.fullmatch(r"[0-9]{1,5}(-[0-9]{1,5})?(/(tcp|udp|sctp))?", word):
            raise ValueError(f"{word!r} is not PORT[/PROTOCOL]")
        numbers, _, protocol = word.partition("/")
        first, _, last = numbers.partition("-")
        for port in range(int(first), int(last or first) + 1):
            if not 0 < port < 65536:
                raise ValueError(f"{port} is not a port")
            ports[f"{port}/{protocol or 'tcp'}"] = {}


def _label(config: Config, text: str) -> None:
    config.setdefault("Labels", {}).update(_pairs(text))


def _onbuild(config: Config, text: str) -> None:
    if text.split(maxsplit=1)[0].upper() in ("ONBUILD", "FROM", "MAINTAINER"):
        raise ValueError(f"{text.split(maxsplit=1)[0]} is not allowed as an ONBUILD trigger")
    config.setdefault("OnBuild", []).append(text)


def _stopsignal(config: Config, text: str) -> None:
    from signal import Signals

    name = text.upper()
    known = name.isdecimal() or name in Signals.__members__ or f"SIG{name}" in Signals.__members__
    if not known:
        raise ValueError(f"{text!r} is not a signal")
    config["StopSignal"] = name


def _user(config: Config, text: str) -> None:
    config["User"] = text


def _volume(config: Config, text: str) -> None:
    config.setdefault("Volumes", {}).update({path: {} for path in _words(text) or text.split()})


def _workdir(config: Config, text: str) -> None:
    config["WorkingDir"] = posixpath.normpath(posixpath.join("/", config.get("WorkingDir") or "/", text))


_HANDLERS: dict[str, Callable[[Config, str], None]] = {
    "CMD": _cmd,
    "ENTRYPOINT": _entrypoint,
    "ENV": _env,
    "EXPOSE": _expose,
    "LABEL": _label,
    "ONBUILD": _onbuild,
    "STOPSIGNAL": _stopsignal,
    "USER": _user,
    "VOLUME": _volume,
    "WORKDIR": _workdir,
}
