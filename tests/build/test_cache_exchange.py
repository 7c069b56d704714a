"""--cache-to and --cache-from: what one machine has built, another does not build again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.build.conftest import Context
from tests.registry.stub import Stub
from tests.support.command import Minidock

DOCKERFILE = """
FROM alpine AS early
RUN echo "$(cat /proc/sys/kernel/random/uuid)" > /early
FROM alpine
COPY --from=early /early /late
RUN echo "$(cat /proc/sys/kernel/random/uuid)" > /own
"""


@pytest.fixture
def stub() -> Iterator[Stub]:
    with Stub().running() as server:
        yield server


def forget(engine: Minidock, *names: str) -> None:
    """As on a machine that has never built it."""
    for words in (["rmi", "-f", *names], ["builder", "prune", "-a", "-f"]):
        assert engine(*words).returncode == 0


def test_a_directory(context: Context, tmp_path: Path) -> None:
    context.built(DOCKERFILE, "--cache-to", f"type=local,dest={tmp_path}/few")
    context.built(DOCKERFILE, "--cache-to", f"type=local,dest={tmp_path}/all,mode=max")
    first = context.run("cat /late /own")
    forget(context.minidock, context.name)
    told = context.built(DOCKERFILE, "--cache-from", f"type=local,src={tmp_path}/all")
    assert told.count(f"CACHED (it is in the cache of {tmp_path}/all)") == 3
    assert context.run("cat /late /own") == first
    forget(context.minidock, context.name)
    told = context.built(DOCKERFILE, "--cache-from", f"type=local,src={tmp_path}/few")
    assert "CACHED" not in told  # the first stage's layer is not among those of the image
    assert context.built(DOCKERFILE).count("CACHED") == 3


def test_an_image_that_brings_its_cache(context: Context, stub: Stub) -> None:
    name = f"{stub.host}/team/app:1"
    dockerfile = "FROM alpine\nRUN cat /proc/sys/kernel/random/uuid > /own\nRUN echo more > /more\n"
    context.built(dockerfile)
    done = context.minidock("build", "-t", name, "--push", "--cache-to", "type=inline", str(context.path))
    assert done.returncode == 0, done.stderr.decode()
    first = context.run("cat /own")
    assert ("team/app", "1") in stub.manifests
    forget(context.minidock, context.name, name)
    changed = dockerfile.replace("echo more", "echo other")
    told = context.built(changed, "--cache-from", name)
    assert told.count(f"CACHED (it is in the cache of {name})") == 1
    assert context.run("cat /own /more") == f"{first}other\n"


def test_a_registry(context: Context, stub: Stub) -> None:
    place = f"{stub.host}/team/cache:main"
    context.built(DOCKERFILE, "--cache-to", f"type=registry,ref={place},mode=max")
    first = context.run("cat /late /own")
    forget(context.minidock, context.name)
    assert context.built(DOCKERFILE, "--cache-from", f"type=registry,ref={place}").count("CACHED") == 3
    assert context.run("cat /late /own") == first


def test_a_cache_that_cannot_be_had_is_missed(context: Context, tmp_path: Path, stub: Stub) -> None:
    (tmp_path / "empty").mkdir()
    stub.add_image("plain", "latest")
    told = context.built("FROM alpine\n", "--cache-from", f"type=local,src={tmp_path}/empty", "--cache-from",
                         f"{stub.host}/none", "--cache-from", f"{stub.host}/plain")  # fmt: skip
    assert "is no OCI image layout" in told
    assert f"manifest for {stub.host}/none:latest not found" in told
    assert f"WARNING: cache from {stub.host}/plain: no cache is in it" in told


def test_a_damaged_cache_is_not_believed(context: Context, tmp_path: Path) -> None:
    dockerfile = "FROM alpine\nRUN echo right > /f\n"
    context.built(dockerfile, "--cache-to", f"type=local,dest={tmp_path}/cache")
    manifest = json.loads((tmp_path / "cache" / "index.json").read_text())["manifests"][0]["digest"]
    blobs = tmp_path / "cache" / "blobs" / "sha256"
    layer = json.loads((blobs / manifest[7:]).read_text())["layers"][0]["digest"]
    (blobs / layer[7:]).write_bytes(b"wrong")
    forget(context.minidock, context.name)
    told = context.built(dockerfile, "--cache-from", f"type=local,src={tmp_path}/cache")
    assert "not the promised" in told
    assert "CACHED" not in told
    assert context.run("cat /f") == "right\n"


WRONG = {
    "--cache-from=type=gha": "unsupported cache 'type=gha': type is one of registry, local",
    "--cache-from=type=local": "invalid cache 'type=local': src is missing",
    "--cache-to=type=local": "invalid cache 'type=local': dest is missing",
    "--cache-to=type=registry": "invalid reference format",
    "--cache-to=type=inline,mode=most": "mode is min or max",
}


@pytest.mark.parametrize("word", WRONG)
def test_a_wrong_cache(engine: Minidock, tmp_path: Path, word: str) -> None:
    done = engine("build", word, str(tmp_path))
    assert (done.returncode, done.stderr.count(b"\n")) == (1, 1)
    assert WRONG[word] in done.stderr.decode()
