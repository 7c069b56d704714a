"""Connections: HTTP requests through urllib3, which keeps connections open for reuse.

This layer adds TLS and proxies as they are set for each host, and separates errors of a server that cannot be reached
(`RegistryUnreachable`, `Untrusted`) from those of a broken connection (`Interrupted`). It does not follow redirects or
repeat requests: the callers do.
"""

from __future__ import annotations

import http.client
import io
import ssl
import threading
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

import urllib3
from urllib3 import exceptions

from minidock import __version__
from minidock.errors import message_of, printable
from minidock.image.registry import registry_tls
from minidock.image.registry.failures import (
    Interrupted,
    RegistryError,
    RegistryUnreachable,
    Stopped,
    Untrusted,
)
from minidock.image.registry.proxies import proxy_for
from minidock.image.registry.registry_settings import Settings

Answer = urllib3.BaseHTTPResponse
Body = bytes | io.RawIOBase

CONNECT_SECONDS = 10.0  # for each address that a name stands for
SILENCE_SECONDS = 60.0  # between two pieces of an answer
_BLOCK = 1 << 20  # what is read at once, and sent at once


class Transport:
    """The connections of one pull, push or search. May be used by several threads at once.

    `stop()` ends every thread that uses it, by `Stopped`.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._pools: dict[tuple[str, bool], urllib3.PoolManager] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: Body | None = None,
        *,
        verify: bool = True,
        silence: float = SILENCE_SECONDS,
    ) -> Answer:
        """The answer to one request, its body yet to be read."""
        self.check()
        if not self.settings.may_be_plain(url):
            raise RegistryError(
                f"{_origin(url)} is not asked without TLS: `insecure` in minidock's config.toml allows that"
            )
        try:
            return self._pool(url, verify).request(
                method,
                url,
                body=body,
                headers={"User-Agent": f"minidock/{__version__}", **headers},
                redirect=False,
                retries=False,
                preload_content=False,
                decode_content=False,
                timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=silence),
            )
        except exceptions.HTTPError as error:
            raise _explained(error, url) from error

    def chunks(self, answer: Answer) -> Iterator[bytes]:
        """The body as it arrives, in pieces of at most 1 MiB; `Interrupted` when the connection breaks."""
        try:
            # read1 returns what has arrived, so that bytes before a break are not lost.
            while data := answer.read1(_BLOCK, decode_content=False):
                self.check()
                yield data
        except exceptions.HTTPError as error:
            raise Interrupted(_reason(error)) from error
        finally:
            answer.close() if answer.length_remaining else answer.release_conn()

    def small_body(self, answer: Answer, limit: int) -> bytes:
        """All of a body that should be small; `RegistryError` if it has more than `limit` bytes."""
        content = bytearray()
        for data in self.chunks(answer):
            content += data
            if len(content) > limit:
                answer.close()
                raise RegistryError(f"{_origin(answer.url or '')} answers with more than {limit} bytes: refused")
        if answer.length_remaining:
            raise Interrupted("the answer ended too early")
        return bytes(content)

    def discard(self, answer: Answer) -> None:
        """Close an answer whose body is not needed; a short one is read, so that its connection can be used again."""
        if 0 <= (answer.length_remaining or 0) <= _BLOCK and answer.headers.get("Content-Length"):
            answer.drain_conn()
        else:
            answer.close()

    def stop(self) -> None:
        """End all transfers."""
        self._stopped.set()

    @property
    def is_stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stopped.is_set()

    def check(self) -> None:
        """Raise `Stopped` if all transfers are to end."""
        if self._stopped.is_set():
            raise Stopped

    def sleep(self, seconds: float) -> None:
        """Wait, but end early when all transfers are to end."""
        if self._stopped.wait(seconds):
            raise Stopped

    def close(self) -> None:
        """Close the connections that are kept for reuse."""
        for pool in self._pools.values():
            pool.clear()

    def _pool(self, url: str, verify: bool) -> urllib3.PoolManager:
        key = _origin(url), verify
        with self._lock:
            if key not in self._pools:
                self._pools[key] = self._new_pool(url, verify)
            return self._pools[key]

    def _new_pool(self, url: str, verify: bool) -> urllib3.PoolManager:
        options: dict[str, Any] = {
            "maxsize": self.settings.downloads + self.settings.uploads,
            "blocksize": _BLOCK,
        }
        if url.startswith("https:"):
            options["ssl_context"] = registry_tls.context(
                urlsplit(url).netloc.rpartition("@")[2], self.settings.certificates, verify=verify
            )
            options["assert_hostname"] = None if verify else False
        proxy = proxy_for(url)
        if proxy is None:
            return urllib3.PoolManager(**options)
        if user := urlsplit(proxy).username:
            login = f"{unquote(user)}:{unquote(urlsplit(proxy).password or '')}"
            options["proxy_headers"] = urllib3.make_headers(proxy_basic_auth=login)
        try:
            return urllib3.ProxyManager(proxy, **options)
        except (exceptions.HTTPError, ValueError) as error:
            raise RegistryUnreachable(f"the proxy {printable(proxy)} cannot be used: {printable(error)}") from error


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _explained(error: exceptions.HTTPError, url: str) -> Exception:
    """The error for a request that got no answer."""
    host = urlsplit(url).netloc
    if _cause(error, ssl.SSLCertVerificationError):
        return Untrusted(
            f"{host} is not trusted: {_reason(error)} (the certificate of a private authority belongs into"
            f" /etc/docker/certs.d/{host}/ca.crt)"
        )
    if isinstance(error, exceptions.ProxyError):
        return RegistryUnreachable(f"{host} cannot be reached through the proxy: {_reason(error)}")
    if isinstance(error, (exceptions.NewConnectionError, exceptions.ConnectTimeoutError, exceptions.SSLError)):
        return RegistryUnreachable(f"{host} cannot be reached: {_reason(error)}")
    if isinstance(error, (exceptions.LocationValueError, exceptions.LocationParseError)):
        return RegistryError(f"{printable(url)} is no address of a server")
    return Interrupted(_reason(error))


def _reason(error: BaseException) -> str:
    """The part of a chain of exceptions that tells a user what to do."""
    if found := _cause(error, ssl.SSLCertVerificationError):
        return f"its certificate is refused ({getattr(found, 'verify_message', found)})"
    if found := _cause(error, ssl.SSLError):
        return f"TLS fails ({getattr(found, 'reason', None) or found})"
    if isinstance(error, exceptions.NameResolutionError):
        return "its name has no address"
    found = _cause(error, OSError)
    if isinstance(found, TimeoutError) or (not found and isinstance(error, exceptions.TimeoutError)):
        return "it does not answer"
    if found:
        return printable(message_of(found)).lower()
    if _cause(error, http.client.IncompleteRead) or isinstance(error, exceptions.IncompleteRead):
        return "the connection closed too early"
    if _cause(error, http.client.HTTPException):
        return "its answer is no HTTP"
    # Some carry the exception that they come from beside their text.
    return printable(next((text for text in error.args if isinstance(text, str)), "the connection broke"))


def _cause(error: BaseException, kind: type[BaseException]) -> BaseException | None:
    """The exception of that kind in a chain: urllib3 keeps it as cause, context or argument."""
    seen: list[BaseException] = []
    waiting: list[Any] = [error]
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, BaseException) and one not in seen:
            if isinstance(one, kind) and not isinstance(one, exceptions.HTTPError):
                return one
            seen.append(one)
            waiting += [one.__cause__, one.__context__, getattr(one, "original_error", None), *one.args]
    return None
