"""Changes: the Dockerfile instructions that `import` and `commit --change` apply to an image's config.

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
from minidock.image import healthcheck

Config = dict[str, Any]
Flags = dict[str, str]

_SHELL = ["/bin/sh", "-c"]
# A word that begins with --; blanks may be in its quotes.
_FLAG = re.compile(r"""(--(?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')*)(?:\s+|$)""")


def apply(changes: Iterable[str], config: Config) -> None:
    """Apply instructions in order to the image's `config` (the object under "config", in place)."""
    for change in changes:
        instruction, _, rest = change.strip().partition(" ")
        handler = _HANDLERS.get(instruction.upper())
        if handler is None:
            raise UsageError(f"{instruction} is not a valid change command: use {', '.join(_HANDLERS)}")
        try:
            flags, text = _leading_flags(rest.strip(), healthcheck.FLAGS if handler is _healthcheck else ())
            if not text:
                raise ValueError(f"{instruction.upper()} requires at least one argument")
            handler(config, flags, text)
        except ValueError as error:
            raise UsageError(f"the change {change!r} cannot be read: {error}") from error


def _leading_flags(text: str, known: Iterable[str]) -> tuple[Flags, str]:
    """The flags `--name=value` that an instruction begins with, and the rest. `--` ends them."""
    flags: Flags = {}
    while match := _FLAG.match(text):
        text = text[match.end() :]
        if match[1] == "--":
            break
        name, equals, value = "".join(shlex.split(match[1]))[2:].partition("=")
        if name not in known:
            raise ValueError(f"unknown flag: {name}")
        if name in flags:
            raise ValueError(f"duplicate flag specified: {name}")
        if not equals:
            raise ValueError(f"missing a value on flag: {name}")
        flags[name] = value
    return flags, text


def _words(text: str) -> list[str] | None:
    """The exec form `["a", "b"]`; None if it is not that. As in docker, what follows it is ignored."""
    try:
        words, _ = json.JSONDecoder().raw_decode(text)
    except ValueError:
        return None
    if not isinstance(words, list):
        return None
    if not all(isinstance(word, str) for word in words):
        raise ValueError("when using JSON array syntax, arrays must be comprised of strings only")
    return words


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


def _cmd(config: Config, _flags: Flags, text: str) -> None:
    config["Cmd"] = _command(text)


def _entrypoint(config: Config, _flags: Flags, text: str) -> None:
    config["Entrypoint"] = _command(text)


def _env(config: Config, _flags: Flags, text: str) -> None:
    entries = {entry.partition("=")[0]: entry for entry in config.get("Env") or []}
    entries |= {name: f"{name}={value}" for name, value in _pairs(text)}
    config["Env"] = list(entries.values())


def _expose(config: Config, _flags: Flags, text: str) -> None:
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


def _label(config: Config, _flags: Flags, text: str) -> None:
    config.setdefault("Labels", {}).update(_pairs(text))


def _onbuild(config: Config, _flags: Flags, text: str) -> None:
    if text.split(maxsplit=1)[0].upper() in ("ONBUILD", "FROM", "MAINTAINER"):
        raise ValueError(f"{text.split(maxsplit=1)[0]} is not allowed as an ONBUILD trigger")
    config.setdefault("OnBuild", []).append(text)


def _healthcheck(config: Config, flags: Flags, text: str) -> None:
    config["Healthcheck"] = healthcheck.parse(flags, text, _words)


def _stopsignal(config: Config, _flags: Flags, text: str) -> None:
    from signal import Signals

    name = text.upper()
    known = name.isdecimal() or name in Signals.__members__ or f"SIG{name}" in Signals.__members__
    if not known:
        raise ValueError(f"{text!r} is not a signal")
    config["StopSignal"] = name


def _user(config: Config, _flags: Flags, text: str) -> None:
    config["User"] = text


def _volume(config: Config, _flags: Flags, text: str) -> None:
    config.setdefault("Volumes", {}).update({path: {} for path in _words(text) or text.split()})


def _workdir(config: Config, _flags: Flags, text: str) -> None:
    config["WorkingDir"] = posixpath.normpath(posixpath.join("/", config.get("WorkingDir") or "/", text))


_HANDLERS: dict[str, Callable[[Config, Flags, str], None]] = {
    "CMD": _cmd,
    "ENTRYPOINT": _entrypoint,
    "ENV": _env,
    "EXPOSE": _expose,
    "HEALTHCHECK": _healthcheck,
    "LABEL": _label,
    "ONBUILD": _onbuild,
    "STOPSIGNAL": _stopsignal,
    "USER": _user,
    "VOLUME": _volume,
    "WORKDIR": _workdir,
}
