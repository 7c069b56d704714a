"""Files from the web: of ADD, of a context or a Dockerfile that is an address (RFC 9110)."""

from __future__ import annotations

import email.utils
import os
import posixpath
import re
from urllib.parse import unquote, urlsplit

from minidock.errors import HostError, NotFoundError, UsageError
from minidock.named_tuple import NamedTuple

_CHUNK = 1 << 20
_SECONDS = 60  # without a byte
_UNNAMED = "download"


class Downloaded(NamedTuple):
    """A file that was fetched, `path`; `digest` as sha256:..."""

    path: str
    digest: str


def is_address(text: str) -> bool:
    """Whether `text` is an address of the web."""
    return text.lower().startswith(("http://", "https://"))


def fetch(address: str, directory: str, *, needs_name: bool = False) -> Downloaded:
    """Put what is at `address` into a directory: mode 0600, and the time that Last-Modified says, or 1970.

    `needs_name`: refuse an address that names no file. Raises `HostError`, `NotFoundError`, `UsageError`.
    """
    import hashlib

    import urllib3

    from minidock.image.registry.proxies import proxy_for

    proxy = proxy_for(address)
    pool = urllib3.ProxyManager(proxy) if proxy else urllib3.PoolManager()
    mark = hashlib.sha256()
    try:
        answer = pool.request("GET", address, preload_content=False, timeout=_SECONDS)
        if answer.status != 200:
            raise NotFoundError(f"{address}: invalid response status {answer.status}")
        name = _name(address, answer.headers.get("content-disposition", ""))
        if needs_name and not name:
            raise UsageError(f"cannot determine filename for source {address}")
        path = os.path.join(directory, name or _UNNAMED)
        with open(path, "wb") as file:
            for chunk in answer.stream(_CHUNK, decode_content=False):
                mark.update(chunk)
                file.write(chunk)
    except urllib3.exceptions.HTTPError as error:
        raise HostError(f"{address} cannot be fetched: {error}") from error
    except OSError as error:
        raise HostError(f"{address}: storing it: {os.strerror(error.errno or 0)}") from error
    os.chmod(path, 0o600)
    os.utime(path, (_modified(answer.headers.get("last-modified", "")),) * 2)
    return Downloaded(path, f"sha256:{mark.hexdigest()}")


def _name(address: str, disposition: str) -> str:
    """The file's name, as the server calls it (RFC 6266) or its address; "" if neither does."""
    match = re.search(r'filename="?([^";]+)', disposition)
    name = posixpath.basename(match[1] if match else unquote(urlsplit(address).path))
    return "" if name in (".", "..") or "\0" in name else name


def _modified(text: str) -> float:
    try:
        return email.utils.parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError):
        return 0.0
