"""TLS certificates for registries: the system's authorities, and those in docker's directories.

The layout is docker's (docs.docker.com/engine/security/certificates): /etc/docker/certs.d/<host[:port]>/ with `*.crt`
for authorities, and `x.cert` with `x.key` for a client certificate.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterable

from minidock.errors import HostError


def context(address: str, directories: Iterable[str], *, verify: bool) -> ssl.SSLContext:
    """The TLS context for `host[:port]`. Raises `HostError` for a file that cannot be used."""
    made = ssl.create_default_context()
    if not verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    for directory in directories:
        folder = os.path.join(directory, address)
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
            _add(made, os.path.join(folder, name))
    return made


def _add(made: ssl.SSLContext, path: str) -> None:
    stem, extension = os.path.splitext(path)
    try:
        if extension == ".crt":
            made.load_verify_locations(cafile=path)
        elif extension == ".cert":
            if not os.path.exists(f"{stem}.key"):
                raise HostError(f"missing key {stem}.key for client certificate {path}")
            # An empty password, so that OpenSSL does not ask for one on the terminal.
            made.load_cert_chain(path, f"{stem}.key", password="")
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        raise HostError(f"{path} cannot be used as a certificate: {reason}") from error
