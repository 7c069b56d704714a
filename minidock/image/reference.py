"""References: what people call images (`alpine`, `localhost:5000/team/app:1.2`, `debian@sha256:...`).

The grammar is that of docker's reference library (github.com/distribution/reference, file regexp.go); the
messages are its messages. A short name stands for a long one: `alpine` is `docker.io/library/alpine:latest`.
"""

from __future__ import annotations

import re

from minidock.errors import UsageError
from minidock.named_tuple import NamedTuple

DEFAULT_DOMAIN = "docker.io"
LEGACY_DEFAULT_DOMAIN = "index.docker.io"
OFFICIAL_PREFIX = "library/"
DEFAULT_TAG = "latest"
NAME_LENGTH_MAX = 255

_HOST = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = rf"(?:{_HOST}(?:\.{_HOST})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_PATH = rf"{_COMPONENT}(?:/{_COMPONENT})*"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_DIGEST = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"
_REFERENCE = rf"({_DOMAIN})/({_PATH})(?::({_TAG}))?(?:@({_DIGEST}))?"
_DIGEST_LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128}


class Reference(NamedTuple):
    """A complete reference: `domain`/`path`, with a `tag`, a `digest` or both."""

    domain: str
    path: str
    tag: str | None = None
    digest: str | None = None

    @property
    def name(self) -> str:
        """The repository's full name: `docker.io/library/alpine`."""
        return f"{self.domain}/{self.path}"

    @property
    def familiar_name(self) -> str:
        """The repository as people write it: `alpine`."""
        if self.domain != DEFAULT_DOMAIN:
            return self.name
        short = self.path.removeprefix(OFFICIAL_PREFIX)
        return self.path if "/" in short else short

    @property
    def canonical(self) -> str:
        """The whole reference, nothing implied: `docker.io/library/alpine:latest`."""
        return self.name + self._suffix()

    @property
    def familiar(self) -> str:
        """The reference as docker shows it: `alpine:latest`."""
        return self.familiar_name + self._suffix()

    def _suffix(self) -> str:
        return (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")

    def __str__(self) -> str:
        return self.familiar


def parse(text: str) -> Reference:
    """The reference that `text` stands for, with what it leaves out filled in; `UsageError` says what is wrong."""
    reference = parse_untagged(text)
    if reference.tag is None and reference.digest is None:
        return reference._replace(tag=DEFAULT_TAG)
    return reference


def parse_untagged(text: str) -> Reference:
    """Like `parse`, but a name alone stays one: for commands that mean all tags of a repository."""
    name, _, tag = text.partition(":")
    if (
        name.isalnum()
        and (name + tag).isascii()
        and name.islower()
        and len(text) < 64
        and tag.isalnum() == (":" in text)
    ):
        # Most names are a word or two, and compiling the grammar takes a millisecond of every start.
        return Reference(DEFAULT_DOMAIN, OFFICIAL_PREFIX + name, tag or None)
    if re.fullmatch("[a-f0-9]{64}", text):
        raise UsageError(f"invalid repository name ({text}), cannot specify 64-byte hexadecimal strings")
    if not text:
        raise UsageError("invalid reference format: it is empty")
    domain, rest = _split_domain(text)
    repository = rest.partition(":")[0]
    if repository.lower() != repository:
        raise UsageError(f"invalid reference format: repository name ({repository}) must be lowercase")
    match = re.fullmatch(_REFERENCE, f"{domain}/{rest}")
    if match is None:
        raise UsageError(f"invalid reference format: {text!r} is not [REGISTRY/]NAME[:TAG][@DIGEST]")
    reference = Reference(*match.groups())
    if len(reference.name) > NAME_LENGTH_MAX:
        raise UsageError(f"repository name must not be more than {NAME_LENGTH_MAX} characters")
    if reference.digest:
        _check_digest(reference.digest)
    return reference


def _split_domain(text: str) -> tuple[str, str]:
    """The registry and the rest. The first part is a registry only if it cannot be a user name: it has a dot,
    a
    colon or a capital letter, or is `localhost`."""
    first, slash, rest = text.partition("/")
    named = "." in first or ":" in first or first == "localhost" or first.lower() != first
    domain, rest = (first, rest) if slash and named else (DEFAULT_DOMAIN, text)
    if domain == LEGACY_DEFAULT_DOMAIN:
        domain = DEFAULT_DOMAIN
    if domain == DEFAULT_DOMAIN and "/" not in rest:
        rest = OFFICIAL_PREFIX + rest
    return domain, rest


def _check_digest(digest: str) -> None:
    algorithm, _, value = digest.partition(":")
    if algorithm not in _DIGEST_LENGTHS:
        raise UsageError(f"unsupported digest algorithm: {algorithm}")
    if len(value) != _DIGEST_LENGTHS[algorithm]:
        raise UsageError(f"invalid checksum digest length: {len(value)} digits of {algorithm}")
    if value.lower() != value:
        raise UsageError("invalid checksum digest format: the digits are lower case")
