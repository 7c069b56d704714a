"""Pulls from a registry in this process, which does as it should: what arrives, what is said, what is asked."""

import gzip
import json
from pathlib import Path

import pytest
import zstandard

from tests.registry.conftest import User
from tests.registry.stub import DOCKER_INDEX, DOCKER_MANIFEST, INDEX, MANIFEST, Stub, digest_of


def test_the_files_are_those_of_the_layers_and_the_output_is_docker_s(stub: Stub, user: User) -> None:
    digest = stub.add_image("team/app", "1", [{"a": b"below", "b": b"same"}, {"a": b"above"}])
    name = f"{stub.host}/team/app:1"
    short = [layer["digest"][7:19] for layer in json.loads(stub.manifests["team/app", "1"][0])["layers"]]
    lines = user.works("pull", name).splitlines()
    assert lines[0] == "1: Pulling from team/app"
    assert sorted(lines[1:-3]) == sorted(
        f"{layer}: {state}" for layer in short for state in ("Pulling fs layer", "Download complete", "Pull complete")
    )
    assert lines[-3:] == [f"Digest: {digest}", f"Status: Downloaded newer image for {name}", name]
    assert user.file(name, "a") == b"above"
    assert user.file(name, "b") == b"same"
    user.has_no_leftovers()


def test_an_image_gets_its_tag_and_its_digest_at_once(
    stub: Stub, user: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between two writes, it would have no name but a digest, and no prune would see it."""
    stub.add_image("app")
    monkeypatch.setenv("MINIDOCK_OBSERVE_TRACE", str(tmp_path / "trace"))
    user.works("pull", f"{stub.host}/app")
    calls = [json.loads(line).get("call", "") for line in (tmp_path / "trace").read_text().splitlines()]
    assert sum(call.startswith("rename") and "/index.json" in call for call in calls) == 1
    user.works("rmi", f"{stub.host}/app")


def test_a_second_pull_asks_for_the_digest_and_nothing_else(stub: Stub, user: User) -> None:
    stub.add_image("app")
    name = f"{stub.host}/app:latest"
    user.works("pull", name)
    stub.seen.clear()
    assert f"Status: Image is up to date for {name}" in user.works("pull", name)
    assert [(method, path) for method, path, _ in stub.seen] == [("HEAD", "/v2/app/manifests/latest")]


def test_what_is_new_is_fetched_and_what_is_known_is_not(stub: Stub, user: User) -> None:
    stub.add_image("app", layers=[{"base": b"base"}, {"app": b"1"}])
    user.works("pull", f"{stub.host}/app")
    old = user.store.resolve(f"{stub.host}/app").id
    stub.add_image("app", layers=[{"base": b"base"}, {"app": b"2"}])
    stub.seen.clear()
    output = user.works("pull", f"{stub.host}/app")
    assert "Using default tag: latest" in output
    assert f"{stub.manifest('app')['layers'][0]['digest'][7:19]}: Already exists" in output
    assert len(stub.requests("GET", "/blobs/")) == 2  # the config and one layer
    assert user.file(f"{stub.host}/app", "app") == b"2"
    assert user.store.resolve(old).layers  # still there, without its name


def test_quiet_prints_the_reference_only(stub: Stub, user: User) -> None:
    stub.add_image("app")
    assert user.works("pull", "-q", f"{stub.host}/app") == f"{stub.host}/app:latest\n"


def test_a_digest_is_pulled_and_named_by_it(stub: Stub, user: User) -> None:
    digest = stub.add_image("app")
    name = f"{stub.host}/app@{digest}"
    assert f"Status: Downloaded newer image for {name}" in user.works("pull", name)
    assert user.store.resolve(name)
    assert user("inspect", f"{stub.host}/app:latest").returncode == 1


def test_all_tags_come_page_by_page(stub: Stub, user: User) -> None:
    stub.add_image("app", "1", [{"n": b"1"}])
    stub.add_image("app", "2", [{"n": b"2"}])

    def tags(request) -> bool:  # type: ignore[no-untyped-def]
        if "/tags/list" not in request.path:
            return False
        if "last=1" in request.path:
            request.reply(200, b'{"name": "app", "tags": ["2"]}')
        else:
            request.reply(200, b'{"name": "app", "tags": ["1"]}', Link='</v2/app/tags/list?n=1&last=1>; rel="next"')
        return True

    stub.faults.append(tags)
    assert user.works("pull", "-a", f"{stub.host}/app").splitlines()[-1] == f"{stub.host}/app"
    assert user.file(f"{stub.host}/app:1", "n") == b"1"
    assert user.file(f"{stub.host}/app:2", "n") == b"2"
    assert "tag can't be used" in user.fails("pull", "-a", f"{stub.host}/app:1")


@pytest.mark.parametrize("media_type", [INDEX, DOCKER_INDEX])
def test_an_index_gives_the_image_for_this_machine_or_the_one_asked_for(
    media_type: str, stub: Stub, user: User
) -> None:
    digests = {
        arch: stub.add_image("app", arch, [{"arch": arch.encode()}], architecture=arch) for arch in ("arm64", "amd64")
    }
    listed = [("arm64", ("linux", "arm64", "v8")), ("amd64", ("unknown", "unknown")), ("amd64", ("linux", "amd64"))]
    entries = [
        {
            "mediaType": MANIFEST,
            "digest": digests[arch],
            "size": 1,
            "platform": dict(zip(("os", "architecture", "variant"), platform, strict=False)),
        }
        for arch, platform in listed
    ]
    document = {"schemaVersion": 2, "mediaType": media_type, "manifests": entries}
    index = stub.add_manifest("app", "latest", document, media_type)
    name = f"{stub.host}/app"
    assert f"Digest: {index}" in user.works("pull", name)
    assert user.file(name, "arch") == b"amd64"
    assert user.store.resolve(f"{name}@{index}").architecture == "amd64"
    user.works("pull", "--platform", "linux/arm64", name)
    assert user.file(name, "arch") == b"arm64"
    assert "up to date" in user.works("pull", "--platform", "arm64/v8", name)
    user.works("pull", name)
    assert user.file(name, "arch") == b"amd64"
    message = user.fails("pull", "--platform", "linux/s390x", name)
    assert "no matching manifest for linux/s390x" in message
    assert "linux/amd64, linux/arm64" in message


def test_a_platform_that_the_one_image_is_not_made_for_is_refused(stub: Stub, user: User) -> None:
    stub.add_image("app")
    message = user.fails("pull", "--platform", "linux/arm64", f"{stub.host}/app")
    assert "does not match the specified platform: wanted linux/arm64, actual: linux/amd64" in message
    assert "is not a platform" in user.fails("pull", "--platform", "a/b/c/d", f"{stub.host}/app")


def test_docker_s_manifest_is_kept_as_it_came(stub: Stub, user: User) -> None:
    digest = stub.add_image("app", docker=True)
    user.works("pull", f"{stub.host}/app")
    image = user.store.resolve(f"{stub.host}/app")
    assert image.manifest_digest == digest
    assert image.manifest["mediaType"] == DOCKER_MANIFEST


@pytest.mark.parametrize("compress", [lambda tar: tar, zstandard.compress, gzip.compress])
def test_layers_may_be_bare_or_zstd(compress, stub: Stub, user: User) -> None:  # type: ignore[no-untyped-def]
    stub.add_image("app", compress=compress)
    user.works("pull", f"{stub.host}/app")
    assert user.file(f"{stub.host}/app", "hello") == b"hello\n"


def test_the_same_layer_twice_is_fetched_once(stub: Stub, user: User) -> None:
    stub.add_image("app", layers=[{"a": b"a"}, {}, {"b": b"b"}, {}])
    user.works("pull", f"{stub.host}/app")
    assert len(stub.requests("GET", "/blobs/")) == 4  # a config and three layers
    assert len(user.store.resolve(f"{stub.host}/app").layers) == 4


def test_what_a_failed_pull_brought_goes_at_once(stub: Stub, user: User) -> None:
    stub.add_image("kept", layers=[{"shared": b"s"}])
    user.works("pull", f"{stub.host}/kept")
    before = user.content()
    stub.add_image("app", layers=[{"shared": b"s"}, {"new": b"n"}, {"last": b"l"}])
    missing = stub.manifest("app")["layers"][-1]["digest"]
    del stub.blobs[missing]
    user.fails("pull", f"{stub.host}/app")
    assert any(stub.manifest("app")["layers"][1]["digest"] in path for path in stub.requests("GET", "/blobs/"))
    assert user.content() == before
    user.has_no_leftovers()


def test_two_pulls_at_once_fetch_each_blob_once(stub: Stub, user: User) -> None:
    import subprocess
    import time

    stub.add_image("app", layers=[{f"file{n}": bytes([n]) * 100_000} for n in range(6)])

    def slow(request) -> bool:  # type: ignore[no-untyped-def]
        if "/blobs/" in request.path:
            time.sleep(0.3)
        return False

    stub.faults.append(slow)
    from tests.support.command import Minidock

    command = [*Minidock(user.root, user.home).program, "pull", f"{stub.host}/app"]
    pulls = [subprocess.Popen(command, env=user.environment, stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [pull.wait(60) for pull in pulls] == [0, 0]
    layers = {layer["digest"] for layer in stub.manifest("app")["layers"]}
    fetched = [path.rpartition("/")[2] for path in stub.requests("GET", "/blobs/")]
    assert sorted(digest for digest in fetched if digest in layers) == sorted(layers)
    user.has_no_leftovers()


def test_run_asks_the_registry_and_says_so_on_standard_error(stub: Stub, user: User) -> None:
    done = user("run", "--rm", f"{stub.host}/nothing:1", "true")
    assert done.returncode == 125
    assert done.stdout == ""
    assert "Unable to find image" in done.stderr
    assert "manifest unknown" in done.stderr


def test_pull_always_never_falls_back_to_a_recipe(user: User) -> None:
    user.configure('[registries.mirrors]\n"docker.io" = ["http://127.0.0.1:1"]\n')
    done = user("run", "--rm", "--pull", "always", "busybox", "true")
    assert done.returncode == 125
    assert "registry-1.docker.io" in done.stderr
    assert "Building" not in done.stderr


def test_a_mirror_is_asked_first_and_what_it_lacks_is_not(stub: Stub, user: User) -> None:
    user.configure(f'[registries.mirrors]\n"docker.io" = ["http://127.0.0.1:1", "http://{stub.host}"]\n')
    stub.add_image("library/tiny", "1")
    assert "Status: Downloaded newer image for tiny:1" in user.works("pull", "tiny:1")
    assert user.file("tiny:1", "hello") == b"hello\n"
    assert "registry-1.docker.io cannot be reached" in user.fails("pull", "tiny:2")


def test_the_digest_in_the_store_is_of_the_very_bytes(stub: Stub, user: User) -> None:
    digest = stub.add_image("app")
    user.works("pull", f"{stub.host}/app")
    with open(user.store.blob_path(digest), "rb") as file:
        assert digest_of(file.read()) == digest
