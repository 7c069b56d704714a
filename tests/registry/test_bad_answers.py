"""Registries that are wrong, damaged or hostile: one line says why, and nothing of it is ever an image."""

import json
import os
import subprocess
from typing import Any

import pytest

from tests.registry.conftest import User, free_port
from tests.registry.stub import CONFIG, INDEX, LAYER, MANIFEST, Request, Stub, digest_of, tar_of


def refused(user: User, stub: Stub, name: str = "app") -> str:
    """The line that a pull ends with; the store has no image after it."""
    line = user.fails("pull", "-q", f"{stub.host}/{name}")
    assert user.store.list() == []
    return line


def manifest_with(stub: Stub, **changes: Any) -> None:
    stub.add_image("app", "good")
    document = {**json.loads(stub.manifests["app", "good"][0]), **changes}
    stub.add_manifest("app", "latest", {key: value for key, value in document.items() if value is not None}, MANIFEST)


def test_an_unknown_repository_or_tag(stub: Stub, user: User) -> None:
    assert refused(user, stub).endswith(f"manifest for {stub.host}/app:latest not found: manifest unknown")


def test_nobody_at_the_address(user: User) -> None:
    port = free_port()
    assert f"127.0.0.1:{port} cannot be reached: connection refused" in user.fails("pull", f"127.0.0.1:{port}/app")


def test_a_name_without_address(user: User) -> None:
    assert "its name has no address" in user.fails("pull", "registry.invalid/app")


def test_a_manifest_that_is_not_what_its_digest_says(stub: Stub, user: User) -> None:
    digest = stub.add_image("app")
    stub.manifests["app", digest] = stub.manifests["app", digest][0] + b" ", MANIFEST
    assert "not the promised" in refused(user, stub)


def test_a_registry_that_takes_back_its_word(stub: Stub, user: User) -> None:
    """HEAD says one digest and GET sends another manifest, which is right by itself."""
    stub.add_image("app")

    def lie(request: Request) -> bool:
        if request.command == "HEAD":
            request.reply(200, Docker_Content_Digest=digest_of(b"something else"))
            return True
        return False

    stub.faults.append(lie)
    assert "not found" in refused(user, stub)


def test_a_manifest_of_more_than_four_megabytes(stub: Stub, user: User) -> None:
    manifest_with(stub, annotations={"long": "x" * (4 << 20)})
    assert "more than 4194304 bytes" in refused(user, stub)


def test_a_manifest_without_end(stub: Stub, user: User) -> None:
    def endless(request: Request) -> bool:
        if request.command == "GET" and "/manifests/" in request.path:
            request.send_response(200)
            request.send_header("Content-Type", MANIFEST)
            request.send_header("Transfer-Encoding", "chunked")
            request.end_headers()
            try:
                while True:
                    request.wfile.write(b"10000\r\n" + b" " * 65536 + b"\r\n")
            except OSError:
                request.close_connection = True
            return True
        return False

    stub.add_image("app")
    stub.faults.append(endless)
    assert "more than 4194304 bytes" in refused(user, stub)


def test_schema_1(stub: Stub, user: User) -> None:
    kind = "application/vnd.docker.distribution.manifest.v1+prettyjws"
    stub.add_manifest("app", "latest", {"schemaVersion": 1, "fsLayers": []}, kind)
    assert "schema 1" in refused(user, stub)


def test_an_unknown_kind_of_manifest(stub: Stub, user: User) -> None:
    stub.add_manifest("app", "latest", {"schemaVersion": 2}, "application/vnd.example.thing+json")
    assert "application/vnd.example.thing+json, which is no image" in refused(user, stub)


def test_an_artifact_that_is_no_image(stub: Stub, user: User) -> None:
    kind = "application/vnd.cncf.helm.config.v1+json"
    manifest_with(stub, config=stub.descriptor(b"{}", kind))
    assert f"is no container image: its config is of the type {kind}" in refused(user, stub)


def test_an_index_in_an_index_and_one_that_contains_itself(stub: Stub, user: User) -> None:
    inner = stub.add_manifest("app", "inner", {"schemaVersion": 2, "manifests": []}, INDEX)
    entry = {"mediaType": INDEX, "digest": inner, "size": 1}
    stub.add_manifest("app", "latest", {"schemaVersion": 2, "manifests": [entry]}, INDEX)
    assert "has another index in it" in refused(user, stub)
    # Called a manifest, and yet an index: no digest can be part of its own content, but a type can be a lie.
    here = {"os": "linux", "architecture": "amd64"}
    disguised = {"mediaType": MANIFEST, "digest": inner, "size": 1, "platform": here}
    stub.add_manifest("app", "latest", {"schemaVersion": 2, "manifests": [disguised]}, INDEX)
    assert "leads to another index" in refused(user, stub)


def test_a_document_that_is_both_manifest_and_index(stub: Stub, user: User) -> None:
    manifest_with(stub, manifests=[])
    assert "both layers and manifests" in refused(user, stub)


def test_a_document_whose_type_depends_on_whom_one_asks(stub: Stub, user: User) -> None:
    manifest_with(stub, mediaType=INDEX)
    assert "refused" in refused(user, stub)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"layers": None}, "no list"),
        ({"layers": [{"mediaType": LAYER, "digest": "sha256:../../etc", "size": 1}]}, "no sha256 digest"),
        ({"layers": [{"mediaType": LAYER, "digest": "sha512:" + "0" * 128, "size": 1}]}, "no sha256 digest"),
        ({"layers": [{"mediaType": LAYER, "digest": "sha256:" + "0" * 64, "size": -1}]}, "no size"),
        ({"layers": [{"mediaType": "text/html", "digest": "sha256:" + "0" * 64, "size": 1}]}, "text/html"),
        ({"layers": []}, "inconsistent"),
        ({"layers": ["x"]}, "malformed"),
        ({"config": 7}, "malformed"),
    ],
)
def test_a_malformed_manifest(changes: dict[str, Any], word: str, stub: Stub, user: User) -> None:
    manifest_with(stub, **changes)
    assert word in refused(user, stub)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff\xfe", b"[" * 100_000])
def test_a_manifest_that_is_no_json_object(content: bytes, stub: Stub, user: User) -> None:
    stub.add_manifest("app", "latest", content, MANIFEST)
    assert "not a JSON object" in refused(user, stub)


@pytest.mark.parametrize(
    "config", [b"null", b"{}", b'{"rootfs": {"diff_ids": ["x"]}}', b'{"rootfs": 1}', b'{"rootfs": {"diff_ids": null}}']
)
def test_a_malformed_config(config: bytes, stub: Stub, user: User) -> None:
    manifest_with(stub, config=stub.descriptor(config, CONFIG))
    line = refused(user, stub)
    assert "the config of" in line or "0 in its config" in line


def test_a_layer_that_is_not_what_its_digest_says(stub: Stub, user: User) -> None:
    stub.add_image("app")
    digest = stub.manifest("app")["layers"][0]["digest"]
    content = bytearray(stub.blobs[digest])
    content[len(content) // 2] ^= 1
    stub.blobs[digest] = bytes(content)
    assert "not the promised" in refused(user, stub)
    assert len(stub.requests("GET", digest)) == 2  # a second try, in case it was the line's fault
    assert not user.store.has_blob(digest)


def test_a_layer_longer_than_the_manifest_says(stub: Stub, user: User) -> None:
    stub.add_image("app")
    digest = stub.manifest("app")["layers"][0]["digest"]
    stub.blobs[digest] += b"more"
    assert "sends more than" in refused(user, stub)


def test_a_layer_that_unpacks_to_something_else(stub: Stub, user: User) -> None:
    stub.add_image("app")
    manifest_with(stub, layers=[stub.descriptor(tar_of({"evil": b""}), LAYER.removesuffix("+gzip"))])
    assert "as promised" in refused(user, stub)


def test_a_layer_that_leads_out_of_its_directory(stub: Stub, user: User) -> None:
    stub.add_image("app", layers=[{"good": b""}, {"../../evil": b""}])
    assert "leads out of it" in refused(user, stub)


def test_the_registry_s_words_cannot_talk_to_the_terminal(stub: Stub, user: User) -> None:
    words = json.dumps({"errors": [{"code": "DENIED", "message": "no\u001b[2J\r\nentry\u202e" + "x" * 5000}]}).encode()

    def rude(request: Request) -> bool:
        request.reply(403 if "/manifests/" in request.path else 200, words)
        return True

    stub.faults.append(rude)
    line = refused(user, stub)
    assert "no [2J entry" in line
    assert "\x1b" not in line
    assert len(line) < 600


def test_redirects_without_end(stub: Stub, user: User) -> None:
    def around(request: Request) -> bool:
        request.reply(307, Location=request.path)
        return "/manifests/" in request.path

    stub.faults.append(lambda request: "/manifests/" in request.path and around(request))
    assert "redirects more than" in refused(user, stub)


def test_a_full_disk(stub: Stub, user: User) -> None:
    """The store is on a tmpfs of 2 MB, mounted in a namespace that ends with the test."""
    stub.add_image("app", layers=[{"big": os.urandom(8 << 20)}])
    user.root.mkdir()
    from tests.support.command import Minidock

    program = " ".join(Minidock(user.root, user.home).program)
    script = (
        f"mount -t tmpfs -o size=2m none {user.root} && {program} pull -q {stub.host}/app;"
        f" echo $?; find {user.root}/tmp -mindepth 1 | wc -l"
    )
    command = ["unshare", "--mount", "sh", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, env=user.environment, check=False, timeout=60)
    assert done.stdout.split() == ["1", "0"]
    assert "No space left on device: make room" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_two_hundred_layers(stub: Stub, user: User) -> None:
    stub.add_image("app", layers=[{f"f{n}": b"x"} for n in range(200)])
    user.works("pull", "-q", f"{stub.host}/app")
    assert len(user.store.resolve(f"{stub.host}/app").layers) == 200
