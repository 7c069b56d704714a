"""What is asked of registries: pull (and import, which has the same path), push, login, search."""

from __future__ import annotations

from minidock.api.call import Call, LazyStream
from minidock.api.http_errors import Status
from minidock.api.models import registry_auth
from minidock.api.streams.body import BodyReader
from minidock.api.streams.json_progress import JsonProgress
from minidock.engine.events import event_log
from minidock.engine.images import find_image, pull, remote_image
from minidock.engine.images.login import check_login, registry_of
from minidock.engine.images.push import push_all, push_tag
from minidock.engine.images.search import search_registry
from minidock.errors import NotFoundError, UsageError
from minidock.image import reference
from minidock.image.reference import Reference
from minidock.image.registry.manifests import parse_platform
from minidock.image.store import Store


def pull_or_import(call: Call) -> None:
    """POST /images/create."""
    if call.text("fromImage"):
        _pull(call)
    elif call.text("fromSrc"):
        _import(call)
    else:
        raise UsageError("either fromImage or fromSrc has to be given")


def _pull(call: Call) -> None:
    keys = registry_auth.lookup(call.request.headers)
    name = _name(call.text("fromImage"), call.text("tag"))
    platform = call.text("platform") or None
    for _ in call.body():
        continue
    with call.progress() as stream:
        progress = JsonProgress(stream)
        store = Store(call.root)
        if not name.tag and not name.digest:
            pull.pull_all(store, name, progress, platform, keys)
        else:
            find_image.pull_or_build(store, name, progress, platform, keys)


def _name(image: str, tag: str) -> Reference:
    """The name in two parameters; without a tag it means all of the repository's."""
    name = reference.parse_untagged(image)
    if not tag:
        return name
    return reference.parse(f"{name.name}@{tag}" if ":" in tag else f"{name.name}:{tag}")


def _import(call: Call) -> None:
    from minidock.image.importer import import_tarball

    source = call.text("fromSrc")
    if source != "-":
        raise UsageError(f"{source} is not fetched: download it, and send it with fromSrc=-")
    repository = call.text("repo")
    name = _name(repository, call.text("tag")) if repository else None
    name = reference.parse(str(name)) if name else None
    made_for = parse_platform(call.text("platform")) if call.text("platform") else None
    with call.progress() as stream:
        made = import_tarball(call.root, BodyReader(call), name, call.texts("changes"), call.text("message"),
                              made_for=made_for)  # fmt: skip
        event_log.emit_image(call.root, "import", made.id, made.labels)
        stream.json({"status": made.id})


def push(call: Call) -> None:
    """POST /images/NAME/push; without a tag, all of them."""
    keys = registry_auth.lookup(call.request.headers)
    name = reference.parse_untagged(f"{call.name}:{call.text('tag')}" if call.text("tag") else call.name)
    store = Store(call.root)
    if not any(one.name == name.name for _, names in store.list() for one in names):
        raise NotFoundError(f"An image does not exist locally with the tag: {name.familiar_name}")
    for _ in call.body():
        continue
    with call.progress() as stream:
        progress = _Pushed(stream)
        if name.tag:
            push_tag(store, name, progress, keys)
        else:
            push_all(store, name, progress, keys)


class _Pushed(JsonProgress):
    """It tells of a pushed tag a second time, for programs."""

    def __init__(self, stream: LazyStream) -> None:
        super().__init__(stream)
        self._aux = stream

    def say(self, line: str) -> None:
        super().say(line)
        tag, mark, rest = line.partition(": digest: ")
        digest, _, size = rest.partition(" size: ")
        if mark and size.isdigit():
            self._aux.json({"progressDetail": {}, "aux": {"Tag": tag, "Digest": digest, "Size": int(size)}})


def login(call: Call) -> None:
    """POST /auth: whether a registry knows the credentials. Who asks keeps them."""
    asked = call.fields(needed=True)
    registry = registry_of(asked.text("serveraddress") or None)
    from minidock.image.registry.failures import Denied

    try:
        kept = check_login(registry, registry_auth.of(asked))
    except Denied as error:
        raise Status(401, str(error)) from None
    call.json({"Status": "Login Succeeded", "IdentityToken": kept.identity_token})


def search(call: Call) -> None:
    """GET /images/search."""
    term = call.text("term")
    if not term:
        raise UsageError("no search term is given")
    limit = call.number("limit", 25) or 25
    if not 1 <= limit <= 100:
        raise UsageError(f"limit {limit} is outside the range of [1, 100]")
    wanted = dict(row.partition("=")[::2] for row in call.filters())
    for name in wanted:
        if name not in ("is-automated", "is-official", "stars"):
            raise UsageError(f"invalid filter '{name}'")
    found = search_registry(term, limit, registry_auth.lookup(call.request.headers))
    stars = int(wanted["stars"]) if wanted.get("stars", "").isdigit() else 0
    official = wanted.get("is-official", "")
    call.json([
        {"name": one.name, "description": one.description, "star_count": one.stars, "is_official": one.is_official,
         "is_automated": False}
        for one in found
        if one.stars >= stars and official in ("", str(one.is_official).lower())
    ])  # fmt: skip


def distribution(call: Call) -> None:
    """GET /distribution/NAME/json."""
    name = reference.parse(call.name)
    descriptor, platforms = remote_image.distribution(name, registry_auth.lookup(call.request.headers))
    call.json({"Descriptor": descriptor, "Platforms": platforms})
