"""The registry client: images come from and go to servers that speak the OCI distribution protocol
(github.com/opencontainers/distribution-spec, spec.md; the book's chapters 3.3 and 4).

Reading order, from what a user wants down to the wire:

    pull_image.py, push_image.py, search_repositories.py   the requests of a pull, a push and a search, in order
    manifests.py                                manifests, indexes and configs, checked before they are used
    blob_download.py, blob_upload.py            one blob, resumed when the connection breaks
    repository.py                               the protocol's requests, one method each
    remote.py                                   the ways to a registry: mirrors, TLS or not, whose credentials
    http_client.py                              one request: authorized, redirected, tried again
    check_login.py, tokens.py, challenge.py     authorization: WWW-Authenticate, basic and bearer
    transport.py, registry_tls.py, proxies.py   connections, through urllib3
    registry_settings.py, failures.py, transfer_progress.py   what the others share

Nothing here starts a process or reads a user's configuration: settings and credentials are passed in. Nothing
imports urllib3 before a registry is contacted: it costs about 65 ms.
"""
