"""The configuration file, /etc/minidock/config.toml. There need not be one: everything has a default.

    [registries]
    # Registries that may be asked without TLS, or whose certificate need not be right: host, host:port, network.
    # Those on this machine's loopback may always be without TLS.
    insecure = ["registry.lan:5000", "10.1.0.0/16"]

    # Where private authorities' certificates are: <directory>/<host[:port]>/*.crt; for a registry that wants
    # a certificate from us, x.cert and x.key beside them. These two are the default.
    certificates = ["/etc/docker/certs.d", "/etc/minidock/certs.d"]

    # How many layers of an image are on their way at once.
    downloads = 4
    uploads = 4

    # Asked before the registry itself, in this order; what a mirror lacks or breaks comes from the registry.
    [registries.mirrors]
    "docker.io" = ["https://mirror.example.com", "http://10.1.2.3:5000"]

    # A registry's password, or what stands for it, goes to the registry's own host and to hosts of its own site
    # (registry.example.com: auth.example.com). What else may have it, because the registry names it:
    [registries.token_servers]
    "registry.example.com" = ["login.example.net"]

The table [containers], defaults for new containers, is explained in `engine/settings.py`.

MINIDOCK_CONFIG names another file. Proxies come from the environment: HTTP_PROXY, HTTPS_PROXY, NO_PROXY.
"""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit

from minidock.engine import state_paths
from minidock.errors import UsageError, message_of
from minidock.image.registry.registry_settings import Settings

_THREADS_MAX = 32


def registry_settings() -> Settings:
    """What the file says about registries. `UsageError` names the file and the key that cannot be meant."""
    path = state_paths.settings_file()
    table = _table(_read(path), "registries", path)
    if unknown := set(table) - {*Settings._fields}:
        raise UsageError(f"{path}: registries.{min(unknown)} is no setting that minidock knows")
    changes: dict[str, Any] = {}
    for key in ("insecure", "certificates"):
        if key in table:
            changes[key] = _strings(table[key], f"registries.{key}", path)
    for key in ("downloads", "uploads"):
        if key in table:
            changes[key] = _number(table[key], f"registries.{key}", path)
    mirrors = _table(table, "mirrors", path)
    changes["mirrors"] = {name: _mirrors(urls, f"registries.mirrors.{name}", path) for name, urls in mirrors.items()}
    servers = _table(table, "token_servers", path)
    changes["token_servers"] = {
        name: _strings(hosts, f"registries.token_servers.{name}", path) for name, hosts in servers.items()
    }
    return Settings()._replace(**changes)


def _read(path: str) -> dict[str, Any]:
    import tomllib

    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except FileNotFoundError:
        if "MINIDOCK_CONFIG" in os.environ:
            raise UsageError(f"MINIDOCK_CONFIG names {path}, which does not exist") from None
        return {}
    except (OSError, UnicodeError) as error:
        raise UsageError(f"{path} cannot be read: {_why(error)}") from error
    except ValueError as error:  # tomllib says where
        raise UsageError(f"{path} cannot be read: {error}") from error


def _why(error: OSError | UnicodeError) -> str:
    """Without the file's name, which the message has already."""
    return (error.strerror or message_of(error)) if isinstance(error, OSError) else message_of(error)


def _table(parent: dict[str, Any], key: str, path: str) -> dict[str, Any]:
    table = parent.get(key, {})
    if not isinstance(table, dict):
        raise UsageError(f"{path}: {key} must be a table")
    return table


def _strings(value: object, key: str, path: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise UsageError(f"{path}: {key} must be a list of strings")
    return tuple(value)


def _number(value: object, key: str, path: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _THREADS_MAX:
        raise UsageError(f"{path}: {key} must be a number from 1 to {_THREADS_MAX}")
    return value


def _mirrors(value: object, key: str, path: str) -> tuple[str, ...]:
    urls = _strings(value, key, path)
    for url in urls:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username:
            raise UsageError(f"{path}: {key} must hold addresses such as https://mirror.example.com, not {url}")
    return urls
