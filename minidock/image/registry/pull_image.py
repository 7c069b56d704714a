"""Pull: the manifest, then the config, then the layers, and last the name.

    tag --HEAD--> digest            known already? then only the name is set, and that was all
    digest --GET--> index           one manifest is chosen for this machine
           --GET--> manifest        lists blobs; the config's blob lists what they unpack to
    layers                          some download while others, complete and verified, unpack

The name is set last, when all of the image is stored and verified. A pull that ends early leaves complete blobs and
layers, or workspaces without owner, which the next command removes. The caller deletes the blobs and layers if the pull
has failed; after Ctrl-C or SIGKILL the next pull uses them, or a prune deletes them.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

from minidock.errors import NotFoundError, printable
from minidock.image import unpack_layers, workspace
from minidock.image.locks import content_lock
from minidock.image.platform import Platform
from minidock.image.reference import Reference
from minidock.image.registry import manifests
from minidock.image.registry.blob_download import fetch
from minidock.image.registry.failures import RegistryError
from minidock.image.registry.manifests import INDEX_TYPES, Blob, Manifest
from minidock.image.registry.remote import Remote
from minidock.image.registry.repository import Document, Repository
from minidock.image.registry.transfer_progress import Progress, short
from minidock.image.registry.transport import Transport
from minidock.image.store import Store
from minidock.image.store_writer import Ingest
from minidock.image.stored_image import Image
from minidock.image.unpack_layers import LayerSource
from minidock.image.unpack_limits import MANIFEST_BYTES
from minidock.named_tuple import NamedTuple
from minidock.state import DamagedError

_UNPACKS = 2  # at once: each keeps about one and a half processors busy
_GRACE = 5.0  # seconds for other threads to notice that all is over


class Pulled(NamedTuple):
    """`digest` is what the tag means in the registry, perhaps an index; `is_new` if the image was not here."""

    image: Image
    digest: str
    is_new: bool


def pull(
    store: Store,
    name: Reference,
    remote: Remote,
    platform: Platform | None = None,
    progress: Progress | None = None,
) -> Pulled:
    """Fetch the image `name`, for `platform` or for this machine.

    Raises `RegistryUnreachable`, `NotFoundError`, `Denied` or another `RegistryError`, `DigestMismatch`,
    `CorruptArchive`, or `HostError` for a full disk.
    """
    telling = progress or Progress()
    workspace.sweep_root(store.root)  # an image that exists already is not fetched, and nothing is cleaned up
    return remote.first(name, lambda repository: _Pull(store, name, repository, platform, telling).run())


class _Pull:
    """The pull of one image from one endpoint."""

    def __init__(
        self,
        store: Store,
        name: Reference,
        repository: Repository,
        platform: Platform | None,
        progress: Progress,
    ) -> None:
        self._store, self._name, self._repository = store, name, repository
        self._platform, self._progress = platform, progress

    def run(self) -> Pulled:
        wanted = self._name.digest or self._name.tag or ""
        digest = self._repository.manifest_digest(wanted) or wanted
        self._progress.say(f"{wanted}: Pulling from {self._name.path}")
        if image := self._known(digest):
            return Pulled(image, digest, is_new=False)
        document = self._repository.manifest(digest)
        media_type = manifests.media_type_of(document.content, document.media_type, str(self._name))
        chosen = document
        if media_type in INDEX_TYPES:
            chosen = self._chosen(document)
            media_type = manifests.media_type_of(chosen.content, chosen.media_type, str(self._name))
        manifest = manifests.parse_manifest(chosen.content, media_type, str(self._name))
        return self._fetch(document.digest, chosen, manifest)

    def _known(self, digest: str) -> Image | None:
        """The image, if it was pulled under this digest before, is whole, and is for the right machine."""
        if ":" not in digest:
            return None
        try:
            image = self._store.resolve(self._by_digest(digest).familiar)
            blobs = [layer["digest"] for layer in image.manifest["layers"]]
            if image.missing_layers or not all(map(self._store.has_blob, blobs)):
                return None
            # What an index means depends on the machine that it was asked for.
            is_index = image.manifest_digest != digest
            if (self._platform or is_index) and not manifests.is_for(image.platform, self._platform):
                return None
            if self._name.tag and not self._name.digest:
                self._store.tag(image, self._name)
        except (NotFoundError, DamagedError):  # missing, or removed meanwhile, or damaged
            return None
        return image

    def _chosen(self, index: Document) -> Document:
        candidates = manifests.parse_index(index.content, str(self._name))
        chosen = manifests.choose(candidates, self._platform, str(self._name))
        document = self._repository.manifest(chosen.digest)
        if document.digest == index.digest or document.media_type in INDEX_TYPES:
            raise RegistryError(f"the index of {self._name} leads to another index, which is not supported")
        return document

    def _fetch(self, digest: str, document: Document, manifest: Manifest) -> Pulled:
        with Ingest(self._store) as ingest:
            is_new = not ingest.has_sound_blob(manifest.config.digest)
            diff_ids = self._config(ingest, manifest)
            _Layers(ingest, self._repository, self._progress).run(list(zip(manifest.layers, diff_ids, strict=True)))
            also = None if self._name.digest else self._name
            image = ingest.add_manifest(self._by_digest(digest), document.content, manifest.media_type, also)
        return Pulled(image, digest, is_new)

    def _by_digest(self, digest: str) -> Reference:
        return self._name._replace(tag=None, digest=digest)

    def _config(self, ingest: Ingest, manifest: Manifest) -> list[str]:
        """Fetch the config and return its diff IDs."""
        blob = manifest.config
        if blob.size > MANIFEST_BYTES:
            raise RegistryError(f"the config of {self._name} has {blob.size} bytes, more than {MANIFEST_BYTES}")
        if not ingest.has_sound_blob(blob.digest):
            fetch(self._repository, blob, ingest, lambda _: None)
        with open(self._store.blob_path(blob.digest), "rb") as file:
            content = file.read()
        diff_ids, made_for = manifests.parse_config(content, manifest, str(self._name))
        if made_for.os not in ("", "linux"):
            raise RegistryError(f'image operating system "{printable(made_for.os)}" cannot be used on this platform')
        if self._platform and not manifests.is_for(made_for, self._platform):
            raise NotFoundError(
                f"image with reference {self._name} was found but does not match the specified platform:"
                f" wanted {self._platform}, actual: {made_for}"
            )
        return diff_ids


class _Layers:
    """The layers of one image: downloads in some threads, unpacking in others."""

    def __init__(self, ingest: Ingest, repository: Repository, progress: Progress) -> None:
        self._ingest, self._repository, self._progress = ingest, repository, progress
        self._transport: Transport = repository.client.transport
        self._downloads = ThreadPoolExecutor(self._transport.settings.downloads, "download")
        self._unpacks = ThreadPoolExecutor(_UNPACKS, "unpack")

    def run(self, wanted: list[tuple[Blob, str]]) -> None:
        """Download all layers into the store and unpack them. The first failure ends the others and is raised."""
        missing = []
        for blob, diff_id in dict.fromkeys(wanted):
            if self._ingest.has_layer(diff_id) and self._ingest.has_blob(blob.digest):
                self._progress.status(short(blob.digest), "Already exists")
            else:
                self._progress.status(short(blob.digest), "Pulling fs layer")
                missing.append((blob, diff_id))
        pending: set[Future[Any]] = {self._downloads.submit(self._download, *layer) for layer in missing}
        try:
            while pending:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                # A download's result is the unpacking that follows it.
                pending |= {future for future in [future.result() for future in done] if future}
        except BaseException:
            self._transport.stop()
            for pool in (self._downloads, self._unpacks):
                pool.shutdown(wait=False, cancel_futures=True)
            # The workspace is deleted next. Threads that still wait for another process's lock do not use it.
            wait([future for future in pending if not future.cancelled()], _GRACE)
            raise
        self._downloads.shutdown()
        self._unpacks.shutdown()

    def _download(self, blob: Blob, diff_id: str) -> Future[None]:
        """Get the blob, by this or another pull, and pass it on to be unpacked."""
        layer = short(blob.digest)
        self._transport.check()
        with content_lock(self._ingest.store.root, blob.digest):
            if not self._ingest.has_blob(blob.digest):
                fetch(
                    self._repository,
                    blob,
                    self._ingest,
                    lambda done: self._progress.advance(layer, "Downloading", done, blob.size),
                )
        self._progress.status(layer, "Download complete")
        return self._unpacks.submit(self._unpack, blob, diff_id)

    def _unpack(self, blob: Blob, diff_id: str) -> None:
        root = self._ingest.store.root
        self._transport.check()
        with content_lock(root, diff_id):
            if not self._ingest.has_layer(diff_id):
                with open(self._ingest.store.blob_path(blob.digest), "rb", buffering=0) as file:
                    source = LayerSource(_Watched(file.read, self._told(blob)))
                    unpack_layers.unpack_in(self._ingest.workspace, source, root, diff_id)
        self._progress.status(short(blob.digest), "Pull complete")

    def _told(self, blob: Blob) -> Callable[[int], None]:
        def watch(done: int) -> None:
            self._transport.check()
            self._progress.advance(short(blob.digest), "Extracting", done, blob.size)

        return watch


class _Watched:
    """A reader that reports its progress."""

    def __init__(self, read: Callable[[int], bytes], watch: Callable[[int], None]) -> None:
        self._read, self._watch, self._done = read, watch, 0

    def read(self, size: int) -> bytes:
        data = self._read(size)
        self._done += len(data)
        self._watch(self._done)
        return data
