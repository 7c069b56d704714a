"""Defaults that the host's owner sets for all new containers: a table of the configuration file, config.toml.

    [containers]
    userns = "remap"                    # --userns of containers that name none: host, remap or auto
    userns_remap = "dockremap"          # whose ids `remap` takes from /etc/subuid and /etc/subgid: USER[:GROUP]
    no_new_privileges = true            # unless a container says --security-opt no-new-privileges=false
    pids_limit = 4096                   # of containers without --pids-limit
    ulimits = { nofile = "1024:4096" }  # of containers without such a --ulimit

The file, where it is, and its other table: `images/registry_config.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from minidock.errors import UsageError
from minidock.shapes import Each, misfit

if TYPE_CHECKING:
    from minidock.engine.container.container_options import ContainerOptions

_TABLE = "containers"
_SHAPES: dict[str, Any] = {
    "userns": str,
    "userns_remap": str,
    "no_new_privileges": bool,
    "pids_limit": int,
    "ulimits": Each(str),
}


def read(path: str) -> dict[str, Any]:
    """The table in the file `path`. Raises `UsageError` that names the key for what cannot be meant."""
    try:
        with open(path, "rb") as file:
            content = file.read()
        if _TABLE.encode() not in content:
            return {}  # most files are about registries, and reading them takes longer than a container's start may
        import tomllib

        table = tomllib.loads(content.decode()).get(_TABLE, {})
    except FileNotFoundError:
        return {}
    except (ValueError, OSError) as error:
        raise UsageError(f"{path} cannot be read: {error}", exit_code=125) from error
    if not isinstance(table, dict):
        raise UsageError(f"{path}: {_TABLE} must be a table", exit_code=125)
    for key, value in table.items():
        if key not in _SHAPES:
            raise UsageError(f"{path}: {_TABLE}.{key} is no setting that minidock knows", exit_code=125)
        if why := misfit(value, _SHAPES[key], f"{_TABLE}.{key}"):
            raise UsageError(f"{path}: {why}", exit_code=125)
    if table.get("userns", "host") not in ("host", "remap", "auto"):
        raise UsageError(f"{path}: {_TABLE}.userns must be host, remap or auto, not {table['userns']}", exit_code=125)
    return table


def applied(options: ContainerOptions, settings: dict[str, Any]) -> ContainerOptions:
    """What a user has asked for, and where that says nothing what the settings say. Raises `UsageError`."""
    from minidock.engine.request import values

    ulimits = dict(values.ulimit(f"{name}={text}") for name, text in settings.get("ulimits", {}).items())
    isolation, limits = options.isolation, options.limits
    if isolation.no_new_privileges is None and settings.get("no_new_privileges"):
        isolation = isolation._replace(no_new_privileges=True)
    pids = settings.get("pids_limit")
    if limits.pids is None and pids:
        limits = limits._replace(pids=pids if pids > 0 else -1)
    return options._replace(isolation=isolation, limits=limits, ulimits={**ulimits, **options.ulimits})
