"""An image's configuration is data from strangers: it is refused in one line when it comes in, or harmless ever after.

What is loaded and what is refused was asked of docker 26, `docker load` of the same archives.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from minidock.errors import HostError, MinidockError
from minidock.image.digest import of_bytes
from minidock.image.image_config import MalformedConfig, parse
from minidock.image.load import load_images
from minidock.image.media_types import CONFIG_TYPE, MANIFEST_TYPE
from minidock.image.store import Store
from minidock.image.store_writer import Ingest
from tests.image.conftest import Command
from tests.image.tars import archive, entry

LAYER = archive(entry("x"))
FIELDS = (
    "ExposedPorts", "Entrypoint", "Cmd", "Env", "Volumes", "User", "StopSignal", "WorkingDir", "Labels", "Healthcheck",
    "Shell", "OnBuild", "Tty", "StopTimeout", "Hostname",
)  # fmt: skip
OUTER = ("config", "architecture", "os", "variant", "created", "history", "author", "os.features", "rootfs")
ODD: tuple[Any, ...] = (
    None, "", "x", "a\0b", "\ud800", "/", "1", 0, -1, 1.5, 1e300, True, [], [""], [None], [1], ["a"], [["a"]], [{}],
    ["a=b", "A", "=", ""], {}, {"": {}}, {"a": None}, {"a": 1}, {"a": "b"}, {"80": {}}, {"80-90/tcp": {}}, {"/": {}},
    {"Test": "CMD x"}, {"Test": ["CMD", "x"], "Interval": "30s"}, {"Test": ["CMD"], "Retries": -1}, [{"created": 5}],
    [{"created": "yesterday"}], {"diff_ids": "x"}, {"\x1b[31m": {"\udfff": []}},
)  # fmt: skip
# Docker takes these, with all else as it is.
TAKEN: tuple[dict[str, Any], ...] = (
    {"ExposedPorts": {"80": {}, "80-82/tcp": {}, "garbage": {}, "": {}, "80/foo": {}, "70000/tcp": None}},
    {"Entrypoint": "/bin/sh", "Cmd": ["", None]}, {"Env": ["FOO", "=x", "", None]}, {"Volumes": {"/": {}, "": None}},
    {"User": "-1", "StopSignal": "garbage", "WorkingDir": "../.."}, {"Labels": {"a": None, "": "x"}},
    {"Healthcheck": {"Test": ["FOO"], "Interval": -5, "Retries": -1}}, {"Shell": "x", "Memory": "?"},
)  # fmt: skip


def content(config: Any = None, **outer: Any) -> bytes:
    rootfs = {"type": "layers", "diff_ids": [of_bytes(LAYER)]}
    whole = {"architecture": "amd64", "os": "linux", "config": config, "rootfs": rootfs, **outer}
    return json.dumps(whole).encode()


def packed(config: bytes) -> bytes:
    listed = json.dumps([{"Config": "config.json", "RepoTags": ["odd:1"], "Layers": ["layer.tar"]}]).encode()
    return archive(entry("config.json", content=config), entry("layer.tar", content=LAYER),
                   entry("manifest.json", content=listed))  # fmt: skip


def refused(store: Store, config: bytes) -> str:
    """Why an image of this configuration is not loaded; '' if it is."""
    try:
        list(load_images(store, io.BytesIO(packed(config))))
    except MinidockError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("field", [*FIELDS, *OUTER])
def test_it_is_refused_in_one_line_or_can_be_shown(store: Store, root: Path, command: Command, field: str) -> None:
    for value in ODD:
        config = content({field: value}) if field in FIELDS else content(**{field: value})
        if refusal := refused(store, config):
            assert refusal.isprintable(), value
            assert store.list() == []
            continue
        for words in (("inspect", "odd:1"), ("history", "odd:1"), ("ls", "--filter", "label=a")):
            done = command(*words)
            assert (done.code, done.err) == (0, ""), (words, value)
        assert command("rm", "odd:1").code == 0


@pytest.mark.parametrize("config", TAKEN)
def test_what_docker_takes(store: Store, config: dict[str, Any]) -> None:
    (loaded,) = load_images(store, io.BytesIO(packed(content(config))))
    assert loaded.image.config["config"].keys() <= config.keys()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (content({"User": 5}), "json: cannot unmarshal number into the image's config.User of type string"),
        (content({"Cmd": [1]}), "json: cannot unmarshal number into the image's config.Cmd of type string"),
        (content({"Volumes": ["/a"]}), "cannot unmarshal array into the image's config.Volumes of type map"),
        (content({"Healthcheck": {"Interval": "3s"}}), "cannot unmarshal string into the image's config.Healthcheck"),
        (content(created="yesterday"), "parsing time 'yesterday' of the image's created"),
        (content(rootfs=None), "invalid image JSON, no RootFS key"),
        (content(os="Windows"), "cannot load windows image on linux"),
        (b"null", "json: cannot unmarshal null into the image's configuration"),
        (b"[" * 100_000, "is not JSON"),
        (b'{"rootfs": {}, "config": {"StopTimeout": NaN}}', "is not JSON"),
    ],
)
def test_what_docker_refuses(store: Store, config: bytes, message: str) -> None:
    with pytest.raises(HostError) as caught:
        list(load_images(store, io.BytesIO(packed(config))))
    assert message in str(caught.value)
    assert store.list() == []


def test_names_count_in_any_case_and_unknown_ones_not_at_all() -> None:
    config = parse(content({"entrypoint": "/bin/echo", "ENV": ["A=\ud800"], "Memory": 5, "Labels": None}))
    assert config["config"] == {"Entrypoint": ["/bin/echo"], "Env": ["A=\N{REPLACEMENT CHARACTER}"]}


def test_one_that_another_tool_has_put_into_the_store(store: Store) -> None:
    """It comes in without being asked: it is found out when it is first read."""
    with Ingest(store) as ingest:
        _, digest, size = ingest.put_layer(io.BytesIO(LAYER))
        config = ingest.put_bytes(content({"Env": {}}))
        layer = {"digest": digest, "size": size}
        manifest = {"config": {"mediaType": CONFIG_TYPE, "digest": config}, "layers": [layer]}
        with pytest.raises(MalformedConfig):
            ingest.add_manifest(None, json.dumps(manifest).encode(), MANIFEST_TYPE)
