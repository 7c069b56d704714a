"""The paths of unpacked layers. Every `run` needs them, so this is apart from the unpacking, which imports a lot.

`layers/<hex>` is a layer in overlayfs's form, never written to; `layers/<hex>.json` contains its size.
"""

from __future__ import annotations

import json
import os

from minidock.image.digest import hex_of
from minidock.linux.directory_trees import tree_size


def layer_path(root: str, diff_id: str) -> str:
    """The directory of an unpacked layer."""
    return os.path.join(root, "layers", hex_of(diff_id))


def has_layer(root: str, diff_id: str) -> bool:
    """Whether the layer is unpacked completely."""
    return os.path.isdir(layer_path(root, diff_id))


def layer_size(root: str, diff_id: str) -> int:
    """The size of the layer's files and symbolic links in bytes, as docker counts; 0 if it is not unpacked.

    It is recorded when the layer is unpacked, and counted again if the record cannot be read.
    """
    path = layer_path(root, diff_id)
    try:
        with open(f"{path}.json", encoding="utf-8") as file:
            return int(json.load(file)["size"])
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return tree_size(path)
