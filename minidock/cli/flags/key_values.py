"""Names with values, as docker reads them: labels and variables, on the command line and in files, a line each."""

from __future__ import annotations

import os
import re

from minidock.engine.request.values import fail, refuse

_BLANK = re.compile(r"[ \t]")


def labels(rows: tuple[str, ...], files: tuple[str, ...] = (), flag: str = "--label") -> dict[str, str]:
    """--label-file, then --label, which counts where both name one. `flag` is the latter as docker shows it."""
    found = dict(_pair(line) for path in files for line in _lines(path) if "=" in line)
    for row in rows:
        name = row.partition("=")[0].lstrip(" \t")
        if not name:
            raise refuse(row, flag, f"invalid label '{row}': empty name")
        if _BLANK.search(name):
            raise refuse(row, flag, f"label '{name}' contains whitespaces")
    return found | dict(map(_pair, rows))


def environment(rows: tuple[str, ...], files: tuple[str, ...]) -> list[str]:
    """--env-file, then -e: "NAME=value", or "NAME" for the caller's own value, which unsets it if there is none."""
    # Unlike -e, a name that the caller does not have asks for nothing in a file.
    result = [_from_caller(line) for path in files for line in _lines(path) if "=" in line or line in os.environ]
    for row in rows:
        if not row.partition("=")[0]:
            raise refuse(row, "-e, --env", f"invalid environment variable: {row}")
        result.append(_from_caller(row))
    return result


def _pair(row: str) -> tuple[str, str]:
    name, _, value = row.partition("=")
    return name, value


def _from_caller(row: str) -> str:
    return f"{row}={os.environ[row]}" if "=" not in row and row in os.environ else row


def _lines(path: str) -> list[str]:
    """The lines of a file of names and values that say something (docker/cli: pkg/kvfile)."""
    try:
        with open(path, "rb") as file:
            content = file.read().removeprefix(b"\xef\xbb\xbf")
    except OSError as error:
        raise fail(f"open {path}: {(error.strerror or '').lower()}") from error
    found = []
    for number, raw in enumerate(content.split(b"\n"), 1):
        try:
            line = raw.removesuffix(b"\r").decode().lstrip(" \t")
        except UnicodeDecodeError as error:
            raise fail(f"invalid env file ({path}): invalid utf8 bytes at line {number}") from error
        name = line.partition("=")[0]
        if not line or line.startswith("#"):
            continue
        if not name:
            raise fail(f"invalid env file ({path}): no variable name on line {number} '{line}'")
        if _BLANK.search(name):
            raise fail(f"invalid env file ({path}): variable '{name}' contains whitespaces on line {number}")
        found.append(line)
    return found
