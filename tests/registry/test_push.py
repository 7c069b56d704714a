"""Pushes to a registry in this process."""

import json
import random

import pytest

from minidock.image.reference import parse
from minidock.image.registry import blob_upload
from minidock.image.registry.blob_upload import Upload
from minidock.image.registry.manifests import Blob
from minidock.image.registry.remote import Remote
from tests.registry.conftest import User
from tests.registry.faults import Proxy
from tests.registry.stub import Request, Stub, digest_of


def test_what_is_pushed_is_what_was_pulled_byte_by_byte(stub: Stub, user: User) -> None:
    digest = stub.add_image("team/app", "1", [{"a": b"a"}, {"b": b"b"}], docker=True)
    name = f"{stub.host}/team/app:1"
    user.works("pull", name)
    blobs, (content, media_type) = dict(stub.blobs), stub.manifests["team/app", "1"]
    stub.blobs.clear()
    stub.manifests.clear()
    lines = user.works("push", name).splitlines()
    short = [diff_id[7:19] for diff_id in user.store.resolve(name).layers]
    assert lines[0] == f"The push refers to repository [{stub.host}/team/app]"
    assert lines[1:3] == [f"{layer}: Preparing" for layer in reversed(short)]
    assert sorted(lines[3:5]) == sorted(f"{layer}: Pushed" for layer in short)
    assert lines[5:] == [f"1: digest: {digest} size: {len(content)}"]
    assert stub.blobs == blobs
    assert stub.manifests["team/app", "1"] == (content, media_type)
    assert user.works("push", name).count("Layer already exists") == 2
    assert user.works("push", "-q", name) == f"{name}\n"


def test_a_layer_of_another_repository_is_mounted(stub: Stub, user: User, tmp_path) -> None:  # type: ignore[no-untyped-def]
    stub.add_image("base")
    user.works("pull", f"{stub.host}/base")
    image = user.store.resolve(f"{stub.host}/base")
    user.store.tag(image, parse(f"{stub.host}/mine"))
    layer = stub.manifest("base")["layers"][0]["digest"]

    def mount(request: Request) -> bool:
        if request.command == "HEAD" and "/v2/mine/blobs/" in request.path:
            request.reply(404)
            return True
        if request.command == "POST" and "mount=" in request.path:
            assert f"mount={layer.replace(':', '%3A')}&from=base" in request.path
            request.reply(201)
            return True
        return False

    stub.faults.append(mount)
    assert "Mounted from base" in user.works("push", f"{stub.host}/mine")
    assert stub.requests("PATCH", "") == []


def test_a_mount_that_is_not_done_becomes_an_upload(stub: Stub, user: User) -> None:
    stub.add_image("base")
    user.works("pull", f"{stub.host}/base")
    user.store.tag(user.store.resolve(f"{stub.host}/base"), parse(f"{stub.host}/mine"))
    blobs = dict(stub.blobs)
    stub.blobs.clear()
    assert ": Pushed" in user.works("push", f"{stub.host}/mine")
    assert stub.blobs == blobs
    assert len(stub.requests("POST", "")) == 2  # the mount's place is used; the other is the config's


def test_all_tags(stub: Stub, user: User) -> None:
    stub.add_image("app", "1")
    user.works("pull", f"{stub.host}/app:1")
    user.store.tag(user.store.resolve(f"{stub.host}/app:1"), parse(f"{stub.host}/app:2"))
    stub.manifests.clear()
    user.works("push", "-a", f"{stub.host}/app")
    assert {key for _, key in stub.manifests} >= {"1", "2"}


def test_what_is_not_here_or_not_possible(stub: Stub, user: User) -> None:
    name = f"{stub.host}/app"
    assert f"An image does not exist locally with the tag: {name}" in user.fails("push", "-q", name)
    assert f"An image does not exist locally with the tag: {name}" in user.fails("push", "-q", "-a", name)
    assert "cannot push a digest reference" in user.fails("push", f"{name}@sha256:{'0' * 64}")
    stub.add_image("app")
    user.works("pull", name)
    blob = user.store.blob_path(stub.manifest("app")["layers"][0]["digest"])
    with open(blob, "r+b") as file:
        file.truncate(5)
    stub.blobs.clear()
    assert "pull or import the image again" in user.fails("push", "-q", name)


def test_a_registry_that_stores_something_else_is_noticed(stub: Stub, user: User) -> None:
    stub.add_image("app")
    user.works("pull", f"{stub.host}/app")

    def change(request: Request) -> bool:
        if request.command == "PUT" and "/manifests/" in request.path:
            request.reply(201, Docker_Content_Digest=digest_of(request.body + b"changed"))
            return True
        return False

    stub.faults.append(change)
    assert "changes what passes" in user.fails("push", "-q", f"{stub.host}/app")


def test_no_right_to_push(stub: Stub, user: User) -> None:
    stub.add_image("app")
    user.works("pull", f"{stub.host}/app")
    stub.blobs.clear()

    def forbid(request: Request) -> bool:
        if request.command == "POST":
            request.reply(403, json.dumps({"errors": [{"code": "DENIED", "message": "read only"}]}).encode())
        return request.command == "POST"

    stub.faults.append(forbid)
    assert "denied: read only" in user.fails("push", "-q", f"{stub.host}/app")


def test_an_upload_in_pieces_goes_on_after_a_break(stub: Stub, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(blob_upload, "PIECE", 1 << 20)
    content = random.Random(2).randbytes(5 << 20)
    (tmp_path / "blob").write_bytes(content)
    broken: list[str] = []

    def stop_halfway(request: Request) -> bool:
        """Keep half of the third piece, and break off."""
        if request.command == "PATCH" and len(stub.requests("PATCH", "")) == 3:
            stub.uploads[request.path.rpartition("/")[2]] += request.body[: len(request.body) // 2]
            broken.append(request.path)
            request.cut()
            return True
        return False

    stub.faults.append(stop_halfway)
    blob = Blob("", digest_of(content), len(content))
    with Remote() as remote:
        done: list[int] = []
        Upload(remote.repository(parse(f"{stub.host}/app")), blob, str(tmp_path / "blob"), done.append).run()
    assert stub.blobs == {blob.digest: content}
    assert len(broken) == 1
    assert len(stub.requests("GET", "/uploads/")) == 1
    assert len(stub.requests("POST", "")) == 1
    assert done[-1] == len(content)


def test_an_upload_over_a_line_that_breaks_once(stub: Stub, user: User) -> None:
    content = random.Random(3).randbytes(2 << 20)
    stub.add_image("app", layers=[{"f": content}])
    user.works("pull", f"{stub.host}/app")
    blobs = dict(stub.blobs)
    stub.blobs.clear()
    broken: list[int] = []

    def line(data: bytes, _: int) -> bytes | None:
        if not broken and data.startswith(b"HTTP/1.1 201"):
            broken.append(1)
            return None
        return data

    with Proxy(stub.host, line).running() as proxy:
        user.store.tag(user.store.resolve(f"{stub.host}/app"), parse(f"{proxy.host}/app"))
        user.works("push", f"{proxy.host}/app")
    assert stub.blobs == blobs
