"""Credentials for registries, kept exactly where docker keeps them, so that one login serves both.

~/.docker/config.json (DOCKER_CONFIG names another directory) holds

    auths         by registry: `auth`, base 64 of name:password, and `identitytoken`
    credsStore    or the name of a helper that keeps them instead: the program docker-credential-<name>
    credHelpers   or one helper for certain registries

A helper is run with `get`, `store`, `erase`, and talks JSON over its standard input and output
(github.com/docker/docker-credential-helpers, README). What else is in the file stays as it is.
"""

from __future__ import annotations

import base64
import json
import os
from typing import Any
from urllib.parse import urlsplit

from minidock.errors import HostError
from minidock.image.registry.registry_settings import Credentials
from minidock.shapes import misfit
from minidock.state import DamagedError, sweep, write_text

_TOKEN_USER = "<token>"  # the name under which helpers keep an identity token
_MAYBE_TEXT = (str, type(None))
_NOTHING: dict[str, Any] = {"auths": {}, "credHelpers": {}, "credsStore": None}
_SHAPE = {"auths": (dict, type(None)), "credHelpers": (dict, type(None)), "credsStore": _MAYBE_TEXT}
_CURE = "restore it from a backup, or move it away and log in again"
_NOT_FOUND = "credentials not found in native keychain"


class Keychain:
    """The credentials of the user who runs this. Call it with a registry's name to look them up."""

    def __init__(self, path: str | None = None) -> None:
        directory = os.environ.get("DOCKER_CONFIG") or os.path.join(os.path.expanduser("~"), ".docker")
        self.path = os.path.realpath(path or os.path.join(directory, "config.json"))

    def __call__(self, registry: str) -> Credentials | None:
        """The credentials for a registry, named as `settings.credentials_key` does; None if there are none."""
        content = self._read()
        if helper := _helper_of(content, registry):
            return _from_helper(helper, registry)
        return _from_entry(self._entry(content, registry)[1], self.path)

    def is_encrypted(self, registry: str) -> bool:
        """Whether a helper keeps what is stored for the registry."""
        return bool(_helper_of(self._read(), registry))

    def store(self, registry: str, credentials: Credentials) -> None:
        """Keep credentials. `HostError` if that fails."""
        content = self._read()
        auths = content["auths"] = content.get("auths") or {}
        if helper := _helper_of(content, registry):
            user = _TOKEN_USER if credentials.identity_token else credentials.username
            secret = credentials.identity_token or credentials.password
            _run(helper, "store", json.dumps({"ServerURL": registry, "Username": user, "Secret": secret}))
            auths[registry] = {}
        else:
            pair = f"{credentials.username}:{credentials.password}".encode()
            auths[registry] = {"auth": base64.b64encode(pair).decode()}
            if credentials.identity_token:
                auths[registry]["identitytoken"] = credentials.identity_token
        self._write(content)

    def erase(self, registry: str) -> bool:
        """Forget a registry's credentials; False if there were none."""
        content = self._read()
        key, entry = self._entry(content, registry)
        helper = _helper_of(content, registry)
        known = entry is not None or bool(helper and _from_helper(helper, registry))
        if helper and known:
            _run(helper, "erase", registry)
        if entry is not None:
            del content["auths"][key]
            self._write(content)
        return known

    def _entry(self, content: dict[str, Any], registry: str) -> tuple[str, dict[str, Any] | None]:
        """The registry's entry in `auths`. Older keys are URLs: https://registry.lan/v1/."""
        auths = content.get("auths") or {}
        for key in (registry, *(key for key in auths if _host(key) == _host(registry))):
            if isinstance(auths.get(key), dict):
                return key, auths[key]
        return registry, None

    def _read(self) -> dict[str, Any]:
        try:
            with open(self.path, encoding="utf-8") as file:
                content = json.load(file)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise HostError(f"{self.path} cannot be read: {error.strerror}") from error
        except (ValueError, RecursionError) as error:
            raise DamagedError(self.path, "no JSON", _CURE) from error
        if why := misfit(content, dict) or misfit({**_NOTHING, **content}, _SHAPE):
            raise DamagedError(self.path, why, _CURE)
        return content  # type: ignore[no-any-return]

    def _write(self, content: dict[str, Any]) -> None:
        os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
        sweep(os.path.dirname(self.path), of=os.path.basename(self.path))
        write_text(self.path, json.dumps(content, indent="\t") + "\n", mode=0o600)


def _host(key: str) -> str:
    return urlsplit(key).netloc if "://" in key else key.partition("/")[0]


def _helper_of(content: dict[str, Any], registry: str) -> str:
    """The helper that keeps a registry's credentials; '' for none, which an entry of `credHelpers` can say too."""
    helpers = content.get("credHelpers") or {}
    named = next((helpers[key] for key in (registry, _host(registry)) if key in helpers), content.get("credsStore"))
    return str(named or "")


def _from_entry(entry: dict[str, Any] | None, path: str) -> Credentials | None:
    if not entry:
        return None
    user, password = str(entry.get("username") or ""), str(entry.get("password") or "")
    if entry.get("auth"):
        try:
            text = base64.b64decode(str(entry["auth"]), validate=True).decode()
        except ValueError as error:
            raise HostError(f"{path} is damaged: an entry's auth is not in base 64") from error
        user, _, password = text.partition(":")
    identity, token = (str(entry.get(key) or "") for key in ("identitytoken", "registrytoken"))
    found = Credentials(user, password.strip("\0"), identity, token)
    return found if any(found) else None


def _from_helper(helper: str, registry: str) -> Credentials | None:
    answer = _run(helper, "get", registry)
    if answer is None:
        return None
    try:
        content = json.loads(answer)
        user, secret = str(content["Username"]), str(content["Secret"])
    except (ValueError, TypeError, LookupError) as error:
        raise HostError(f"docker-credential-{helper} answers with something else than credentials") from error
    return Credentials(identity_token=secret) if user == _TOKEN_USER else Credentials(user, secret)


def _run(helper: str, action: str, text: str) -> str | None:
    """What a helper says; None if it knows nothing of the registry."""
    from minidock.linux import programs

    program = f"docker-credential-{helper}"
    try:
        done = programs.run([program, action], text, secret=True)
    except OSError as error:
        raise HostError(f"the credential helper {program} cannot be run: {error.strerror}") from error
    if done.returncode == 0:
        return done.stdout
    said = (done.stdout.strip() or done.stderr.strip()).splitlines()[:1]
    if action == "get" and said == [_NOT_FOUND]:
        return None
    raise HostError(f"{program} {action} failed: {said[0] if said else f'exit code {done.returncode}'}")
