"""The registry client: images come from and go to servers that speak the OCI distribution protocol
(github.com/opencontainers/distribution-spec, spec.md; the book's chapters 3.3 and 4).

Reading order, from what a user wants down to the wire:

    pull.py, push.py, search.py   what `minidock pull`, `push` and `search` do, in order
    manifests.py                  manifests, indexes and configs, checked before anything believes them
    download.py, upload.py        one blob, resumed when the connection breaks
    repository.py                 the protocol's requests, one method each
    remote.py                     the ways to a registry: mirrors, TLS or not, whose credentials
    client.py                     one request: authorized, redirected, tried again
    tokens.py, challenge.py       who we are: WWW-Authenticate, basic and bearer
    transport.py, tls.py, proxies.py   connections, through urllib3
    settings.py, failures.py, progress.py   what the others share

Nothing here starts a process or reads a user's configuration: settings and credentials are passed in. Nothing
imports urllib3 before a registry is contacted: it costs about 65 ms.
"""
