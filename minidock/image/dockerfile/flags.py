"""The flags of an instruction, `--name=value` before its arguments: which there are, and what is wrong with others."""

from __future__ import annotations

from minidock.image.dockerfile.dockerfile_errors import DockerfileError
from minidock.image.dockerfile.suggestions import did_you_mean

Flags = dict[str, list[str]]

_BOOLEAN, _ONCE, _MANY = "boolean", "once", "many"
_COPY = {"chown": _ONCE, "chmod": _ONCE, "link": _BOOLEAN, "exclude": _MANY}
_KNOWN: dict[str, dict[str, str]] = {
    "ADD": {**_COPY, "keep-git-dir": _BOOLEAN, "checksum": _ONCE, "unpack": _BOOLEAN},
    "COPY": {**_COPY, "from": _ONCE, "parents": _BOOLEAN},
    "FROM": {"platform": _ONCE},
    "HEALTHCHECK": {name: _ONCE for name in ("interval", "timeout", "start-period", "start-interval", "retries")},
    "RUN": {"mount": _MANY, "network": _ONCE, "security": _ONCE},
}


def parse(instruction: str, words: list[str]) -> Flags:
    """{name: its values}; a boolean's is "true" or "false". Raises `DockerfileError` in docker's words."""
    known = _KNOWN.get(instruction, {})
    found: Flags = {}
    for word in words:
        flag, equals, value = word.partition("=")
        name = flag.removeprefix("--")
        kind = known.get(name)
        if kind is None:
            raise DockerfileError(f"unknown flag: {flag}{did_you_mean(name, known)}")
        if name in found and kind != _MANY:
            raise DockerfileError(f"duplicate flag specified: {flag}")
        if (kind != _BOOLEAN and not equals) or (kind == _BOOLEAN and equals and not value):
            raise DockerfileError(f"missing a value on flag: {flag}")
        if kind == _BOOLEAN:
            value = value.lower() or "true"
            if value not in ("true", "false"):
                raise DockerfileError(f"expecting boolean value for flag {flag}, not: {value}")
        found.setdefault(name, []).append(value)
    return found
