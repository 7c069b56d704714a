"""rewrite-timestamp=true: no file of the layers that a build has made is younger than SOURCE_DATE_EPOCH.

Then the same input gives the same bytes, also where RUN has made files: https://reproducible-builds.org/specs/source-date-epoch/.
The base image's layers stay what they are.
"""

from __future__ import annotations

import tarfile

from minidock.build.stage import Stage
from minidock.image.layer_cache import Layer
from minidock.image.layer_directories import layer_path
from minidock.image.layer_writer import TarReader
from minidock.image.media_types import LAYER_TYPE
from minidock.image.store_writer import Ingest


def rewrite(ingest: Ingest, stage: Stage, epoch: int) -> None:
    """Put layers with limited times in the place of those that the build has made."""

    def limit(info: tarfile.TarInfo) -> None:
        if info.mtime >= epoch:
            info.mtime = epoch
            info.pax_headers = {name: value for name, value in info.pax_headers.items() if name != "mtime"}

    for position, layer in enumerate(stage.layers):
        if position >= stage.inherited:
            reader = TarReader(layer_path(ingest.store.root, layer.diff_id), change=limit)
            diff_id, digest, size = ingest.put_layer(reader)
            stage.layers[position] = Layer(diff_id, digest, size, LAYER_TYPE)
