"""Authentication: the header Authorization for requests to a registry.

A registry that requires authentication answers 401 and says how (`challenge.py`). Basic is name and password with each
request. Bearer is a token from another server, valid for certain repositories and for some minutes
(distribution.github.io/distribution/spec/auth/token, and .../oauth for identity tokens).
"""

from __future__ import annotations

import base64
import json
import threading
import time
from typing import Any
from urllib.parse import urlencode, urlsplit

from minidock.errors import printable
from minidock.image.registry.challenge import Challenge
from minidock.image.registry.failures import Denied, Interrupted, RegistryError, from_answer
from minidock.image.registry.realm import check
from minidock.image.registry.registry_settings import Credentials, FindCredentials
from minidock.image.registry.transport import Answer, Transport
from minidock.named_tuple import NamedTuple

Scopes = tuple[str, ...]

_CLIENT = "minidock"
_TOKEN_BYTES = 1 << 20
_LIFE = 60.0  # seconds, of a token that does not say; the token specification's number


class _Token(NamedTuple):
    header: str
    until: float  # of the monotonic clock


class Authorizer:
    """The credentials and tokens for one registry. It may be used by several threads: one fetches a token for all."""

    def __init__(self, transport: Transport, key: str, keychain: FindCredentials) -> None:
        self._transport, self._key, self._keychain = transport, key, keychain
        self._lock = threading.Lock()
        self._credentials: Credentials | None = None
        self._asked = False
        self._basic = ""
        self._bearer: Challenge | None = None
        self._tokens: dict[Scopes, _Token] = {}
        self.identity_token = ""  # what a token server gave in exchange for a password, for `login` to keep

    def header(self, scopes: Scopes) -> str:
        """The header for a request for `scopes`; '' before the first challenge."""
        with self._lock:
            if self._basic or self._bearer is None:
                return self._basic
            token = self._tokens.get(scopes)
            if token is None or token.until < time.monotonic():
                token = self._fetch(self._bearer, scopes)
            return token.header

    def answer(self, challenges: list[Challenge], scopes: Scopes, rejected: str) -> str:
        """The header for another attempt after a 401; `rejected` is the one that was sent. '' if there is no other."""
        with self._lock:
            known = self._tokens.get(scopes)
            if known and known.header != rejected and known.until >= time.monotonic():
                return known.header  # another thread was challenged at the same time
            for wanted in ("bearer", "basic"):
                for challenge in challenges:
                    if challenge.scheme == wanted:
                        return self._respond(challenge, scopes, rejected)
        return ""

    def _respond(self, challenge: Challenge, scopes: Scopes, rejected: str) -> str:
        if challenge.scheme == "bearer":
            self._bearer = challenge
            return self._fetch(challenge, scopes).header
        credentials = self._known_credentials()
        if credentials is None or not credentials.username:
            return ""
        pair = f"{credentials.username}:{credentials.password}".encode()
        self._basic = f"Basic {base64.b64encode(pair).decode()}"
        return "" if self._basic == rejected else self._basic

    def _known_credentials(self) -> Credentials | None:
        if not self._asked:
            self._credentials, self._asked = self._keychain(self._key), True
        return self._credentials

    def _fetch(self, challenge: Challenge, scopes: Scopes) -> _Token:
        """A new token for `scopes`, or for the challenge's scope if there are none."""
        credentials = self._known_credentials()
        if credentials and credentials.registry_token:
            return _Token(f"Bearer {credentials.registry_token}", float("inf"))
        realm = challenge.parameters.get("realm", "")
        secret = bool(credentials and (credentials.username or credentials.identity_token))
        check(realm, self._key, self._transport.settings, secret=secret)
        wanted = scopes or tuple(challenge.parameters.get("scope", "").split())
        service = challenge.parameters.get("service", "")
        asked_at = time.monotonic()
        if credentials and credentials.identity_token:
            answer = self._exchange(realm, service, wanted, credentials.identity_token)
        else:
            answer = self._ask(realm, service, wanted, credentials)
        token = self._read(answer, realm, asked_at)
        self._tokens[scopes] = token
        return token

    def _ask(self, realm: str, service: str, scopes: Scopes, credentials: Credentials | None) -> Answer:
        query = [("scope", scope) for scope in scopes]
        if service:
            query.append(("service", service))
        headers = {}
        if credentials and credentials.username:
            query += [("account", credentials.username), ("client_id", _CLIENT), ("offline_token", "true")]
            pair = f"{credentials.username}:{credentials.password}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        separator = "&" if "?" in realm else "?"
        return self._transport.send("GET", f"{realm}{separator}{urlencode(query)}" if query else realm, headers)

    def _exchange(self, realm: str, service: str, scopes: Scopes, identity_token: str) -> Answer:
        form = {
            "grant_type": "refresh_token",
            "service": service,
            "client_id": _CLIENT,
            "scope": " ".join(scopes),
            "refresh_token": identity_token,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._transport.send("POST", realm, headers, urlencode(form).encode())

    def _read(self, answer: Answer, realm: str, asked_at: float) -> _Token:
        body = self._transport.small_body(answer, _TOKEN_BYTES)
        asked = f"a token from {urlsplit(realm).netloc}"
        if answer.status in (429, 500, 502, 503, 504):
            raise Interrupted(f"{asked}: the server answered {answer.status}")
        if answer.status in (400, 401, 403):
            raise Denied(str(from_answer(401, body, asked)))
        if answer.status != 200:
            raise from_answer(answer.status, body, asked)
        try:
            content: Any = json.loads(body)
            text = content.get("token") or content["access_token"]
            life = float(content.get("expires_in") or _LIFE)
            if not isinstance(text, str) or not text.isprintable() or not text.isascii():
                raise ValueError("no token")
            self.identity_token = str(content.get("refresh_token") or self.identity_token)
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise RegistryError(f"{asked}: the answer is none ({printable(error)})") from error
        return _Token(f"Bearer {text}", asked_at + life)
