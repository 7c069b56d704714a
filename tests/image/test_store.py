"""The store: names, ids, what stays and what goes."""

import io
import json
import os
import subprocess
import threading
from pathlib import Path

import pytest

from minidock.engine.images.find_image import find_or_fetch, held
from minidock.engine.images.image_users import in_use
from minidock.engine.images.rm import remove_image
from minidock.errors import EXIT_ENGINE, ConflictError, HostError, MinidockError, NotFoundError
from minidock.image import garbage_collection
from minidock.image.digest import DigestMismatch, of_bytes
from minidock.image.importer import import_tarball
from minidock.image.locks import content_lock
from minidock.image.media_types import MANIFEST_TYPE
from minidock.image.reference import parse
from minidock.image.store import Store
from minidock.image.store_writer import Ingest
from minidock.image.stored_image import Image
from minidock.image.workspace import Workspace, kept, remove_tree
from tests.engine.containers import eventually
from tests.image.tars import archive, entry


def add(root: Path, content: str, *names: str) -> Image:
    image = import_tarball(str(root), io.BytesIO(archive(entry("file", content=content.encode()))))
    for name in names:
        Store(str(root)).tag(image, parse(name))
    return image


def use(root: Path, image: Image, container: str = "c" * 64) -> None:
    directory = root / "containers" / container
    directory.mkdir(parents=True)
    record = {"id": container, "name": container[:3], "image": image.id, "state": {"status": "exited"}, "options": {}}
    (directory / "container.json").write_text(json.dumps({"schemaVersion": 1, **record}))


def files(root: Path) -> list[str]:
    return sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file() and p.parent.name != "locks")


def test_names(root: Path, store: Store) -> None:
    image = add(root, "1", "a", "b:1", "localhost:5000/c/d:2")
    assert {store.resolve(name).id for name in ("a", "docker.io/library/a:latest", "b:1", "localhost:5000/c/d:2")} == {
        image.id
    }
    store.untag(parse("b:1"))
    assert [str(name) for name in store.references(image.id)] == ["a:latest", "localhost:5000/c/d:2"]
    for name, whole in {"b:1": "b:1", "a:1": "a:1", "nope": "nope:latest", "sha256:": "sha256:"}.items():
        with pytest.raises(NotFoundError, match=f"No such image: {whole}"):
            store.resolve(name)
    for name in ("", "Bad", "a b"):
        with pytest.raises(NotFoundError, match="invalid reference format"):
            store.resolve(name)
    with pytest.raises(NotFoundError):
        store.untag(parse("b:1"))


def test_digests_as_names(root: Path, store: Store) -> None:
    image = add(root, "1", "a:1")
    digest = of_bytes(b"manifest of the registry")
    store.tag(image, parse(f"a@{digest}"))
    store.tag(image, parse(f"b:7@{digest}"))
    assert (
        store.resolve(f"a@{digest}") == store.resolve(f"a:whatever@{digest}") == store.resolve(f"b@{digest}") == image
    )
    with pytest.raises(NotFoundError):
        store.resolve("b:7")


def test_ids(root: Path, store: Store) -> None:
    images = [add(root, str(number)) for number in range(20)]
    for image in images:
        assert store.resolve(image.id) == store.resolve(image.id[7:]) == store.resolve(image.id[7:30]) == image
    digits = [image.id[7] for image in images]
    with pytest.raises(ConflictError, match="ambiguous"):
        store.resolve(max(digits, key=digits.count))
    name = images[0].id[7:13]
    store.tag(images[1], parse(name))
    assert store.resolve(name) == images[1], "a name wins over an id"


def test_the_index_of_others_is_respected(root: Path, store: Store) -> None:
    """skopeo writes names without a tag, and leaves the media type of the index out."""
    image = add(root, "1", "a")
    index = json.loads((root / "images/index.json").read_text())
    del index["mediaType"]
    index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"] = "plain"
    foreign = {"mediaType": "application/x-foreign", "digest": of_bytes(b"f"), "size": 1}
    index["manifests"].append(foreign)
    (root / "images/index.json").write_text(json.dumps(index))
    assert store.resolve("plain") == image
    store.tag(image, parse("b"))
    store.untag(parse("plain"))
    assert [str(name) for name in store.references(image.id)] == ["b:latest"]
    assert foreign in json.loads((root / "images/index.json").read_text())["manifests"]


def test_damaged_index(root: Path, store: Store) -> None:
    add(root, "1", "a")
    (root / "images/index.json").write_text("{")
    with pytest.raises(HostError, match=r"index\.json is damaged"):
        store.resolve("a")


def test_removal_leaves_what_others_need(root: Path) -> None:
    shared = archive(entry("shared"))
    first = import_tarball(str(root), io.BytesIO(shared), parse("first"))
    import_tarball(str(root), io.BytesIO(shared), parse("second"), ["CMD x"])
    assert remove_image(str(root), "first") == ["Untagged: first:latest", f"Deleted: {first.id}"]
    assert Path(first.layer_paths[0]).exists()
    lines = remove_image(str(root), "second")
    assert lines[-1] == f"Deleted: {first.layers[0]}"
    assert files(root) == ["events.log", "images/index.json", "images/oci-layout"]


def test_rmi_by_name_and_id(root: Path) -> None:
    image = add(root, "1", "a:1", "a:2", "b:1")
    top = str(root)
    assert remove_image(top, "a:1") == ["Untagged: a:1"]
    with pytest.raises(
        ConflictError, match=r"unable to delete .{12} \(must be forced\) - image is referenced in multiple"
    ):
        remove_image(top, image.id[7:15])
    assert remove_image(top, image.id, force=True)[:3] == ["Untagged: a:2", "Untagged: b:1", f"Deleted: {image.id}"]
    with pytest.raises(NotFoundError, match="No such image: a:1"):
        remove_image(top, "a:1")


def test_rmi_takes_digests_with_the_last_tag(root: Path, store: Store) -> None:
    image = add(root, "1", "a:1")
    name = f"a@{of_bytes(b'x')}"
    store.tag(image, parse(name))
    assert remove_image(str(root), "a:1")[:2] == ["Untagged: a:1", f"Untagged: {name}"]


def test_an_image_that_is_held_stays(root: Path) -> None:
    image = add(root, "1", "a")
    refused: list[ConflictError] = []

    def try_to_remove() -> None:
        try:
            remove_image(str(root), "a")
        except ConflictError as error:
            refused.append(error)

    remover = threading.Thread(target=try_to_remove)
    with held(str(root), image):
        remover.start()
        remover.join(0.3)
        assert remover.is_alive()
        use(root, image)
    remover.join()
    assert len(refused) == 1
    assert image.missing_layers == []
    remove_tree(str(root / "containers"))
    remove_image(str(root), image.id)
    with pytest.raises(NotFoundError, match="removed just now"), held(str(root), image):
        pass


def test_rmi_of_an_image_in_use(root: Path, store: Store) -> None:
    image = add(root, "1", "a:1", "a:2")
    use(root, image)
    assert in_use(str(root)) == {image.id: ["c" * 64]}
    assert remove_image(str(root), "a:2") == ["Untagged: a:2"], "another name is left"
    with pytest.raises(ConflictError) as caught:
        remove_image(str(root), "a:1")
    assert str(caught.value) == (
        'conflict: unable to remove repository reference "a:1" (must force) - container cccccccccccc'
        f" is using its referenced image {image.id[7:19]}"
    )
    with pytest.raises(ConflictError, match="must be forced"):
        remove_image(str(root), image.id)
    assert remove_image(str(root), "a:1", force=True) == ["Untagged: a:1"]
    assert store.resolve(image.id).missing_layers == [], "its layers are the container's"
    with pytest.raises(ConflictError, match="cannot be forced"):
        remove_image(str(root), image.id, force=True)
    remove_tree(str(root / "containers"))
    assert remove_image(str(root), image.id[7:])[0] == f"Deleted: {image.id}"


def test_an_ingest_is_safe_from_garbage_collection(root: Path, store: Store) -> None:
    with Ingest(store) as ingest:
        digest = ingest.put_blob(io.BytesIO(b"blob"), of_bytes(b"blob"))
        diff_id, layer, size = ingest.put_layer(io.BytesIO(archive(entry("x"))))
        assert garbage_collection.collect(str(root)).layers == []
        assert ingest.has_blob(digest)
        assert ingest.has_blob(layer)
        assert ingest.has_layer(diff_id)
        assert kept(str(root)) == {digest, diff_id, layer}
        assert size == (root / "images/blobs/sha256" / layer[7:]).stat().st_size
    assert garbage_collection.collect(str(root)).layers == [diff_id]
    assert files(root) == []


def test_blobs_are_verified(root: Path, store: Store) -> None:
    with Ingest(store) as ingest:
        with pytest.raises(DigestMismatch, match="refused"):
            ingest.put_blob(io.BytesIO(b"forged"), of_bytes(b"true"))
        with pytest.raises(MinidockError, match="not a digest"):
            ingest.has_blob("sha256:../../../etc/passwd")
        digest = ingest.put_bytes(b"{}")
        manifest = {"config": {"digest": digest}, "layers": []}
        with pytest.raises(MinidockError):
            ingest.add_manifest(None, json.dumps(manifest).encode(), MANIFEST_TYPE)
    assert store.list() == []


def test_a_manifest_needs_its_layers(root: Path, store: Store) -> None:
    with Ingest(store) as ingest:
        config = ingest.put_bytes(json.dumps({"rootfs": {"type": "layers", "diff_ids": [of_bytes(b"?")]}}).encode())
        manifest = {"config": {"digest": config}, "layers": [{"digest": config}]}
        with pytest.raises(HostError, match="does not have"):
            ingest.add_manifest(parse("a"), json.dumps(manifest).encode(), MANIFEST_TYPE)


def test_layers_can_be_unpacked_again(root: Path, store: Store) -> None:
    """After another tool put an image into the layout, or after layers/ was lost."""
    image = add(root, "content", "a")
    remove_tree(str(root / "layers"))
    assert store.resolve("a").missing_layers == image.layers
    find_or_fetch(str(root), "a", "never", print)
    assert (Path(image.layer_paths[0]) / "file").read_text() == "content"


def test_workspaces(root: Path) -> None:
    """A locked one stays, an unlocked one goes."""
    with Workspace(str(root)) as mine:
        (root / "tmp" / "dead" / "sub" / "sub").mkdir(parents=True)
        (root / "tmp" / "dead" / "sub" / "file").touch()
        with Workspace(str(root)) as other:
            assert sorted(os.listdir(root / "tmp")) == sorted(os.path.basename(w.path) for w in (mine, other))
    assert os.listdir(root / "tmp") == []


def test_workspaces_of_many_threads(root: Path) -> None:
    def work() -> None:
        for _ in range(50):
            with Workspace(str(root)) as workspace:
                assert os.path.isdir(workspace.path)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert os.listdir(root / "tmp") == []


def test_content_locks_exclude_and_vanish(root: Path) -> None:
    inside, most = [0], [0]

    def work() -> None:
        for _ in range(100):
            with content_lock(str(root), of_bytes(b"x")):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]
    assert os.listdir(root / "locks") == []


# Finding, fetching, building

RECIPE = """
import os, sys, tarfile, time, io
print("on standard output")
while os.path.exists({wait!r}): time.sleep(0.01)
open({log!r}, "a").write("built\\n")
with tarfile.open(sys.argv[2], "w:gz") as tar:
    tar.addfile(tarfile.TarInfo("from-recipe"))
"""


@pytest.fixture
def recipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of recipes with one that makes `tiny`."""
    (tmp_path / "recipes/tiny").mkdir(parents=True)
    recipe = RECIPE.format(log=str(tmp_path / "log"), wait=str(tmp_path / "wait"))
    (tmp_path / "recipes/tiny/build.py").write_text(recipe)
    settings = {"description": "x", "Cmd": ["sh"], "WorkingDir": "/", "tags": ["1.0"]}
    (tmp_path / "recipes/tiny/image.json").write_text(json.dumps(settings))
    monkeypatch.setenv("MINIDOCK_RECIPES", str(tmp_path / "recipes"))
    return tmp_path


def test_a_missing_image_is_built_once(root: Path, recipes: Path, capfd: pytest.CaptureFixture[str]) -> None:
    said: list[str] = []
    (recipes / "wait").touch()
    threads = [
        threading.Thread(target=find_or_fetch, args=(str(root), "tiny", "missing", said.append)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    eventually(lambda: sum("Unable to find" in line for line in said) == 4)
    (recipes / "wait").unlink()
    for thread in threads:
        thread.join()
    assert (recipes / "log").read_text() == "built\n"
    assert said.count("Unable to find image 'tiny:latest' locally") == 4
    assert sum("tiny/build.py" in line for line in said) == 1
    image = find_or_fetch(str(root), "tiny", "never", said.append)
    assert image.config["config"] == {"Cmd": ["sh"], "WorkingDir": "/"}
    assert os.listdir(image.layer_paths[0]) == ["from-recipe"]
    assert capfd.readouterr().out == ""


def test_which_names_a_recipe_makes(root: Path, recipes: Path) -> None:
    find_or_fetch(str(root), "docker.io/library/tiny:1.0", "missing", print)
    for name in (
        "tiny:2.0",
        "me/tiny",
        "localhost/tiny",
        "localhost:5000/library/tiny",
        f"tiny@{of_bytes(b'')}",
        "other",
    ):
        with pytest.raises(NotFoundError, match=f"No such image: {parse(name)}") as caught:
            find_or_fetch(str(root), name, "missing", print)
        assert caught.value.exit_code == EXIT_ENGINE


def test_always_never_falls_back(root: Path, recipes: Path) -> None:
    find_or_fetch(str(root), "tiny", "missing", print)
    with pytest.raises(MinidockError):
        find_or_fetch(str(root), "tiny", "always", print)


def test_never_only_looks(root: Path, recipes: Path) -> None:
    with pytest.raises(NotFoundError, match="No such image: tiny:latest"):
        find_or_fetch(str(root), "tiny", "never", print)
    assert not (recipes / "log").exists()


def test_a_failing_recipe_is_one_line(root: Path, recipes: Path) -> None:
    (recipes / "recipes/tiny/build.py").write_text("import sys; sys.exit('tiny: no source')")
    with pytest.raises(HostError, match="failed"):
        find_or_fetch(str(root), "tiny", "missing", print)
    assert Store(str(root)).list() == []


def test_what_cannot_be_removed_makes_no_failure(root: Path) -> None:
    """What was made is done, the next command can work, and the one after that tidies up."""
    content = archive(entry("x"))
    with Workspace(str(root)) as workspace:
        busy = Path(workspace.path, "busy")
        busy.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", busy], check=True)
    try:
        assert busy.exists()
        import_tarball(str(root), io.BytesIO(content), parse("app"))
    finally:
        subprocess.run(["umount", busy], check=True)
    import_tarball(str(root), io.BytesIO(content), parse("app"))
    assert not os.listdir(root / "tmp")
