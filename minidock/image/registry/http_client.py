"""Requests to a registry, with authorization, redirects and repeated attempts.

Only this module sends secrets: Authorization goes to the registry's own origin (scheme, host and port) and to no other,
whatever a redirect or an upload's Location says.
"""

from __future__ import annotations

import email.utils
import random
import time
from collections.abc import Callable, Collection, Mapping
from urllib.parse import urljoin, urlsplit

from minidock.errors import printable
from minidock.image.registry import challenge
from minidock.image.registry.failures import (
    Interrupted,
    RegistryError,
    RegistryUnreachable,
    from_answer,
)
from minidock.image.registry.tokens import Authorizer, Scopes
from minidock.image.registry.transport import SILENCE_SECONDS, Answer, Body, Transport
from minidock.named_tuple import NamedTuple

ATTEMPTS = 5
RETRIED = (429, 500, 502, 503, 504)
_REDIRECTS = (301, 302, 303, 307, 308)
_REDIRECTS_MAX = 5
_FIRST_PAUSE = 0.25  # seconds, doubled each time
_PAUSE_MAX = 60.0
_ERROR_BYTES = 64 << 10


class Endpoint(NamedTuple):
    """One address under which a registry answers: `https://host[:port]`, perhaps with a path before /v2/.

    `name`: as a user writes it; `verify`: whether its certificate must be valid.
    """

    name: str
    url: str
    verify: bool = True


class Client:
    """Requests to one endpoint. May be used by several threads at once."""

    def __init__(self, endpoint: Endpoint, transport: Transport, authorizer: Authorizer) -> None:
        self.endpoint, self.transport, self.authorizer = endpoint, transport, authorizer
        self._has_answered = False

    def call(
        self,
        method: str,
        url: str,
        *,
        asked: str,
        scopes: Scopes = (),
        headers: Mapping[str, str] | None = None,
        body: Callable[[], Body] | None = None,
        accept: Collection[int] = (200,),
        attempts: int = ATTEMPTS,
        silence: float = SILENCE_SECONDS,
    ) -> Answer:
        """The answer, if its status is one of `accept`; otherwise the exception that says what was `asked` for.

        `url` may be relative to the endpoint. `body` is called for each attempt. Broken connections, 429 and
        5xx are tried again with pauses; a server that never answered is not.
        """
        target = urljoin(f"{self.endpoint.url}/", url)
        for attempt in range(1, attempts + 1):
            try:
                answer = self._authorized(method, target, scopes, headers or {}, body, silence)
                self._has_answered = True
                if answer.status in accept:
                    return answer
                failure: Exception = from_answer(answer.status, self._error_body(answer), asked)
                if answer.status not in RETRIED:
                    raise failure
                pause = _asked_pause(answer) or _pause(attempt)
            except Interrupted as error:
                failure = RegistryError(f"{asked}: {self.endpoint.name}: {error}, {attempt} times")
                pause = _pause(attempt)
            except RegistryUnreachable as error:
                if not self._has_answered:
                    raise
                failure, pause = error, _pause(attempt)
            if attempt == attempts or pause > _PAUSE_MAX:
                break
            self.transport.sleep(pause)
        raise failure

    def small_body(self, answer: Answer, limit: int) -> bytes:
        """All of an answer that should be small."""
        return self.transport.small_body(answer, limit)

    def is_own(self, url: str) -> bool:
        """Whether `url` is of the registry's own origin."""
        own, other = urlsplit(self.endpoint.url), urlsplit(url)
        return (own.scheme, own.netloc) == (other.scheme, other.netloc)

    def _authorized(
        self,
        method: str,
        url: str,
        scopes: Scopes,
        headers: Mapping[str, str],
        body: Callable[[], Body] | None,
        silence: float,
    ) -> Answer:
        """One attempt, and a second one if the registry asks for authentication, or the token has expired."""
        sent = self.authorizer.header(scopes) if self.is_own(url) else ""
        answer = self._followed(method, url, sent, headers, body, silence)
        if answer.status != 401 or not self.is_own(answer.url or ""):
            return answer
        challenges = challenge.parse(answer.headers.getlist("WWW-Authenticate"))
        better = self.authorizer.answer(challenges, scopes, sent)
        if not better or better == sent:
            return answer
        self.transport.discard(answer)
        return self._followed(method, url, better, headers, body, silence)

    def _followed(
        self,
        method: str,
        url: str,
        authorization: str,
        headers: Mapping[str, str],
        body: Callable[[], Body] | None,
        silence: float,
    ) -> Answer:
        """Send, and follow redirects, of reading requests only, as the protocol redirects no others."""
        for _ in range(_REDIRECTS_MAX + 1):
            secret = {"Authorization": authorization} if authorization and self.is_own(url) else {}
            answer = self.transport.send(
                method,
                url,
                {**headers, **secret},
                body() if body else None,
                verify=self.endpoint.verify or not self.is_own(url),
                silence=silence,
            )
            where = answer.headers.get("Location")
            if answer.status not in _REDIRECTS or method not in ("GET", "HEAD") or not where:
                answer.url = url
                return answer
            self.transport.discard(answer)
            url = urljoin(url, where)
        raise RegistryError(f"{self.endpoint.name} redirects more than {_REDIRECTS_MAX} times: {printable(url)}")

    def _error_body(self, answer: Answer) -> bytes:
        try:
            return self.transport.small_body(answer, _ERROR_BYTES)
        except (RegistryError, Interrupted):
            return b""


def _pause(attempt: int) -> float:
    """Wait longer at each attempt, with a random part, so that many clients do not return at the same moment."""
    return float(_FIRST_PAUSE * 2 ** (attempt - 1) * random.uniform(0.8, 1.2))


def _asked_pause(answer: Answer) -> float | None:
    """The seconds that Retry-After asks for (RFC 9110, 10.2.3), if it does."""
    text = (answer.headers.get("Retry-After") or "").strip()
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError):
        return None
