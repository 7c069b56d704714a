"""Push: the layers that the registry lacks, then the config, and last the manifest, which names them.

The manifest is sent unchanged, in docker's form or OCI's, so that its digest is the same on every machine.
"""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor, as_completed

from minidock.errors import HostError, NotFoundError
from minidock.image.blobs import read_blob
from minidock.image.media_types import DOCKER_MANIFEST_TYPE, MANIFEST_TYPE
from minidock.image.reference import Reference
from minidock.image.registry.blob_upload import Upload, Watcher
from minidock.image.registry.manifests import Blob, Manifest, parse_manifest
from minidock.image.registry.remote import Remote
from minidock.image.registry.repository import Repository
from minidock.image.registry.transfer_progress import Progress, short
from minidock.image.store import Store
from minidock.image.store_writer import Ingest
from minidock.image.stored_image import Image
from minidock.image.unpack_limits import MANIFEST_BYTES
from minidock.named_tuple import NamedTuple


class Pushed(NamedTuple):
    """The manifest's digest and size, as docker shows them."""

    digest: str
    size: int


def push(store: Store, name: Reference, remote: Remote, progress: Progress | None = None) -> Pushed:
    """Push the local image `name` under that name.

    Raises `NotFoundError` if there is none here, `RegistryUnreachable`, `Denied` or another `RegistryError`.
    """
    image = _image(store, name)
    pushed = send(store, image, name, remote, progress or Progress())
    # As docker's RepoDigests: this registry has the image, so the next push can mount its blobs.
    store.tag(image, name._replace(tag=None, digest=image.manifest_digest))
    return pushed


def send(store: Store, image: Image, name: Reference, remote: Remote, progress: Progress) -> Pushed:
    """Push a local image of any name as `name`."""
    content = read_blob(store.images, image.manifest_digest, MANIFEST_BYTES)
    manifest = parse_manifest(content, _media_type(content), str(name))
    repository = remote.repository(name)
    with Ingest(store) as ingest:
        for blob in (*manifest.layers, manifest.config):
            if not ingest.has_blob(blob.digest):  # this way a prune meanwhile does not delete it
                raise HostError(f"the store has lost the blob {blob.digest}: pull or import the image again")
        _Push(store, repository, progress).run(image, manifest)
        repository.put_manifest(name.tag or image.manifest_digest, content, manifest.media_type)
    return Pushed(image.manifest_digest, len(content))


class _Push:
    """The push of one image's blobs to one repository."""

    def __init__(self, store: Store, repository: Repository, progress: Progress) -> None:
        self._store, self._repository, self._progress = store, repository, progress

    def run(self, image: Image, manifest: Manifest) -> None:
        """Upload all missing blobs. The first failure ends the others and is raised."""
        wanted = dict(zip(manifest.layers, image.layers, strict=True))
        for diff_id in reversed(wanted.values()):
            self._progress.status(short(diff_id), "Preparing")
        transport = self._repository.client.transport
        pool = ThreadPoolExecutor(transport.settings.uploads, "upload")
        futures = [pool.submit(self._layer, blob, diff_id) for blob, diff_id in wanted.items()]
        try:
            for future in as_completed(futures):
                future.result()
        except BaseException:
            transport.stop()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        pool.shutdown()
        if not self._repository.has_blob(manifest.config.digest):
            self._upload(manifest.config, lambda _: None).run()

    def _layer(self, blob: Blob, diff_id: str) -> None:
        layer = short(diff_id)
        if self._repository.has_blob(blob.digest):
            self._progress.status(layer, "Layer already exists")
            return
        upload = self._upload(blob, lambda done: self._progress.advance(layer, "Pushing", done, blob.size))
        source = self._mountable(blob)
        if source and upload.mount(source.path):
            self._progress.status(layer, f"Mounted from {source.path}")
            return
        upload.run()
        self._progress.status(layer, "Pushed")

    def _upload(self, blob: Blob, watch: Watcher) -> Upload:
        path = self._store.blob_path(blob.digest)
        if (size := os.path.getsize(path)) != blob.size:
            raise HostError(f"{path} has {size} bytes and not {blob.size}: pull or import the image again")
        return Upload(self._repository, blob, path, watch)

    def _mountable(self, blob: Blob) -> Reference | None:
        """Another repository of the same registry that is known to have the blob: an image with it was pulled
        from there, or pushed there, which is what a reference with a digest tells."""
        own = self._repository.name
        for image, names in self._store.list():
            if any(layer["digest"] == blob.digest for layer in image.manifest["layers"]):
                for name in names:
                    if name.digest and name.domain == own.domain and name.path != own.path:
                        return name
        return None


def _image(store: Store, name: Reference) -> Image:
    try:
        return store.resolve(name.familiar)
    except NotFoundError:
        raise NotFoundError(f"An image does not exist locally with the tag: {name.familiar_name}") from None


def _media_type(content: bytes) -> str:
    """The manifest's media type, which in OCI's form may be only in its descriptor."""
    manifest = json.loads(content)
    if manifest.get("mediaType"):
        return str(manifest["mediaType"])
    is_docker = str(manifest["config"].get("mediaType")).startswith("application/vnd.docker.")
    return DOCKER_MANIFEST_TYPE if is_docker else MANIFEST_TYPE
