"""Defaults that the host's owner sets for all new containers: one JSON file, which need not be there.

/etc/minidock/config.json; for a user without root's rights $XDG_CONFIG_HOME/minidock/config.json (~/.config without
that variable). MINIDOCK_CONFIG names another file. Its keys are those of docker's daemon.json, where that has them:

    userns              --userns of containers that name none: remap, auto, host                      [host]
    userns-remap        whose ids `remap` takes from /etc/subuid and /etc/subgid: USER[:GROUP]        [dockremap]
    no-new-privileges   --security-opt no-new-privileges, unless a container says =false              [false]
    default-ulimits     --ulimit of containers that do not set it: {"nofile": {"Soft": 64, "Hard": 64}}
    default-pids-limit  --pids-limit of containers that name none                                     [none]
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from minidock.errors import UsageError
from minidock.shapes import Each, misfit

if TYPE_CHECKING:
    from minidock.engine.container.container_options import ContainerOptions

DEFAULT_REMAP_USER = "dockremap"  # docker's
_SHAPES: dict[str, Any] = {
    "userns": str,
    "userns-remap": str,
    "no-new-privileges": bool,
    "default-ulimits": Each({"Soft": int, "Hard": int}),
    "default-pids-limit": int,
}


def read(path: str) -> dict[str, Any]:
    """The file's content. Raises `UsageError` for what cannot be meant, and names the key."""
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
    except FileNotFoundError:
        return {}
    except (ValueError, OSError) as error:
        raise UsageError(f"the configuration file {path} cannot be read: {error}", exit_code=125) from error
    if not isinstance(content, dict):
        raise UsageError(f"the configuration file {path} holds no object", exit_code=125)
    for key, value in content.items():
        if key not in _SHAPES:
            raise UsageError(f"{path}: {key!r} is not known: {', '.join(_SHAPES)} are", exit_code=125)
        if why := misfit(value, _SHAPES[key], key):
            raise UsageError(f"{path}: {why}", exit_code=125)
    if content.get("userns", "host") not in ("host", "remap", "auto"):
        raise UsageError(f"{path}: userns {content['userns']!r} is none of host, remap, auto", exit_code=125)
    return content


def applied(options: ContainerOptions, settings: dict[str, Any]) -> ContainerOptions:
    """What a user has asked for, and where that says nothing what the settings say. Raises `UsageError`."""
    from minidock.engine.request import values

    ulimits = dict(values.ulimit(f"{name}={row['Soft']}:{row['Hard']}")
                   for name, row in settings.get("default-ulimits", {}).items())  # fmt: skip
    isolation, limits = options.isolation, options.limits
    if isolation.no_new_privileges is None and settings.get("no-new-privileges"):
        isolation = isolation._replace(no_new_privileges=True)
    pids = settings.get("default-pids-limit") or None
    if limits.pids is None and pids:
        limits = limits._replace(pids=pids if pids > 0 else -1)
    return options._replace(isolation=isolation, limits=limits, ulimits={**ulimits, **options.ulimits})
