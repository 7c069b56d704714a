"""The environment variables of a container's processes: docker's, the image's and the user's (environ(7))."""

from __future__ import annotations

from typing import Any

from minidock.engine.container.container_options import ContainerOptions
from minidock.engine.spec.users import User
from minidock.errors import EXIT_ENGINE, UsageError

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def environment(
    options: ContainerOptions, image_config: dict[str, Any], user: User, hostname: str, links: list[str]
) -> list[str]:
    """Docker's order: PATH, HOSTNAME, TERM, links, then the image's, then the user's; HOME unless somebody set it.

    A row without "=" removes the variable; an empty HOME counts as unset (as in runc).
    """
    rows = [PATH, f"HOSTNAME={hostname}", *(["TERM=xterm"] if options.tty else []), *links]
    variables: dict[str, str] = {}
    # -e NAME of a variable that the caller does not have comes as a row without "=".
    for row in (*rows, *(image_config.get("Env") or []), *options.env):
        name, equals, value = row.partition("=")
        if equals:
            variables[name] = value
        else:
            variables.pop(name, None)
    for name, value in variables.items():
        _check(name, value)
    variables["HOME"] = variables.get("HOME") or user.home
    return [f"{name}={value}" for name, value in variables.items()]


def _check(name: str, value: str) -> None:
    """Refuse, in the words of docker's runtime, variables that execve(2) cannot take."""
    row = f"{name}={value}".replace("\0", "\\x00")
    if not name:
        raise UsageError(f'environment variable name can\'t be empty: "{row}"', exit_code=EXIT_ENGINE)
    for part, text in (("name", name), ("value", value)):
        if "\0" in text:
            words = f'environment variable {part} can\'t contain null(\\x00): "{row}"'
            raise UsageError(words, exit_code=EXIT_ENGINE)
