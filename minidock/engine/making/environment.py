"""The environment variables of a container's processes: docker's, the image's and the user's (environ(7))."""

from __future__ import annotations

from typing import Any

from minidock.engine.making.users import User
from minidock.engine.options import ContainerOptions

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def environment(
    options: ContainerOptions, image_config: dict[str, Any], user: User, hostname: str, links: list[str]
) -> list[str]:
    """Docker's order: PATH, HOSTNAME, TERM, links, then the image's, then the user's; HOME unless somebody set it."""
    rows = [PATH, f"HOSTNAME={hostname}", *(["TERM=xterm"] if options.tty else []), *links]
    rows += image_config.get("Env") or []
    variables = dict(row.partition("=")[::2] for row in rows)
    for row in options.env:
        name, equals, value = row.partition("=")
        if equals:
            variables[name] = value
        else:
            variables.pop(name, None)  # -e NAME of a variable that the caller does not have unsets it
    variables.setdefault("HOME", user.home)
    return [f"{name}={value}" for name, value in variables.items()]
