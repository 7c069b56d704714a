"""Images as files: what save writes and what load takes, from ourselves, docker, podman and skopeo."""

import bz2
import gzip
import hashlib
import io
import json
import os
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from benchmarks import peers
from minidock.errors import MinidockError, NotFoundError
from minidock.image.compression import CorruptArchive
from minidock.image.digest import DigestMismatch, of_bytes
from minidock.image.entries import UnsafePath
from minidock.image.importer import import_tarball
from minidock.image.layer_writer import TarReader
from minidock.image.load import Loaded, load_images
from minidock.image.media_types import CONFIG_TYPE, LAYER_TYPE, MANIFEST_TYPE
from minidock.image.reference import parse
from minidock.image.save import save_images
from minidock.image.store import Store
from minidock.image.store_writer import Ingest
from minidock.image.stored_image import Image
from tests.image.conftest import Command
from tests.image.tars import archive, directory, entry, hard_link, symlink, tree
from tests.image.test_unpack import make_tree

LAYERS = (
    archive(directory("./"), directory("etc"), entry("etc/a", content=b"one"), entry("etc/gone", content=b"x")),
    archive(
        directory("./"),
        directory("etc"),
        entry("etc/.wh.gone"),
        entry("etc/b", content=b"two", pax_headers={"mtime": "1.5"}),
    ),
)


def two_layers(store: Store, *names: str) -> Image:
    """An image of two layers, with a whiteout and fractions of seconds."""
    with Ingest(store) as ingest:
        made = [ingest.put_layer(io.BytesIO(layer)) for layer in LAYERS]
        config = json.dumps(
            {
                "architecture": "amd64",
                "os": "linux",
                "created": "2024-01-01T00:00:00Z",
                "config": {"Cmd": ["sh"], "Labels": {"made": "here"}},
                "rootfs": {"type": "layers", "diff_ids": [diff_id for diff_id, _, _ in made]},
                "history": [
                    {"created": "2024-01-01T00:00:00Z", "created_by": "ADD rootfs.tar"},
                    {"created": "2024-01-01T00:00:00Z", "created_by": "CMD " + "x" * 60, "empty_layer": True},
                    {"created": "2024-01-01T00:00:00Z", "created_by": "RUN rm", "comment": "cleaned"},
                ],
            }
        ).encode()
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": {"mediaType": CONFIG_TYPE, "digest": ingest.put_bytes(config), "size": len(config)},
            "layers": [{"mediaType": LAYER_TYPE, "digest": digest, "size": size} for _, digest, size in made],
        }
        for name in names:
            image = ingest.add_manifest(parse(name), json.dumps(manifest).encode(), MANIFEST_TYPE)
    return image


def saved(store: Store, *names: str) -> bytes:
    return b"".join(save_images(store, names))


def loaded(root: Path, content: bytes) -> list[Loaded]:
    return list(load_images(Store(str(root)), io.BytesIO(content)))


@pytest.fixture
def other(root: Path) -> Path:
    """The root of a second store."""
    (root / "other").mkdir()
    return root / "other"


def test_there_and_back(store: Store, other: Path) -> None:
    image = two_layers(store, "team/app:1", "team/app:2", "localhost:5000/x:3")
    content = saved(store, "team/app", "localhost:5000/x:3")
    (result,) = loaded(other, content)
    assert sorted(map(str, result.names)) == ["localhost:5000/x:3", "team/app:1", "team/app:2"]
    assert (result.image.id, result.image.manifest_digest) == (image.id, image.manifest_digest)
    for ours, theirs in zip(image.layer_paths, result.image.layer_paths, strict=True):
        assert tree(Path(ours)) == tree(Path(theirs))
    assert saved(Store(str(other)), "team/app", "localhost:5000/x:3") == content, "byte for byte"


def test_several_images_at_once(store: Store, other: Path) -> None:
    first = two_layers(store, "a:1")
    second = import_tarball(store.root, io.BytesIO(archive(entry("x"))), parse("b:1"))
    results = loaded(other, saved(store, "a:1", "b", first.id))
    assert [(r.image.id, [str(n) for n in r.names]) for r in results] == [(first.id, ["a:1"]), (second.id, ["b:1"])]
    assert len(Store(str(other)).list()) == 2


def test_by_id_there_is_no_name(store: Store, other: Path) -> None:
    image = two_layers(store, "a:1")
    (result,) = loaded(other, saved(store, image.id[7:20]))
    assert (result.image.id, result.names) == (image.id, [])


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, zstandard.compress])
def test_compressed(store: Store, other: Path, pack: object) -> None:
    image = two_layers(store, "a:1")
    (result,) = loaded(other, pack(saved(store, "a:1")))  # type: ignore[operator]
    assert result.image.id == image.id


def test_a_name_that_moves_is_reported(store: Store, other: Path) -> None:
    old = import_tarball(str(other), io.BytesIO(archive(entry("old"))), parse("a:1"))
    two_layers(store, "a:1")
    (result,) = loaded(other, saved(store, "a:1"))
    assert result.replaced == {parse("a:1"): old.id}
    (again,) = loaded(other, saved(store, "a:1"))
    assert again.replaced == {}


# Archives of others, made by hand


def docker_archive(layers: list[bytes], config: bytes, *, legacy: bool = False) -> bytes:
    """As `docker save` wrote it before version 25, and with links as version 1.10 did."""
    entries, paths = [], []
    for number, layer in enumerate(layers):
        path = f"{number}/layer.tar"
        if legacy and number:
            entries.append(symlink(path, "../0/layer.tar") if number == 1 else hard_link(path, "0/layer.tar"))
        else:
            entries += [directory(f"{number}"), entry(f"{number}/VERSION", content=b"1.0"), entry(path, content=layer)]
        paths.append(path)
    manifest = [{"Config": "config.json", "RepoTags": ["old/app:1", "not OK:2"], "Layers": paths}]
    entries += [entry("config.json", content=config), entry("manifest.json", content=json.dumps(manifest).encode())]
    return archive(*entries)


def config_for(layers: list[bytes]) -> bytes:
    rootfs = {"type": "layers", "diff_ids": [of_bytes(layer) for layer in layers]}
    return json.dumps({"os": "linux", "architecture": "amd64", "rootfs": rootfs}).encode()


def test_docker_archive(root: Path) -> None:
    config = config_for(list(LAYERS))
    (result,) = loaded(root, docker_archive(list(LAYERS), config))
    assert (result.image.id, [str(n) for n in result.names]) == (of_bytes(config), ["old/app:1"])
    assert (Path(result.image.layer_paths[1]) / "etc/b").read_text() == "two"


def test_docker_archive_with_packed_layers(root: Path) -> None:
    config = config_for(list(LAYERS))
    (result,) = loaded(root, docker_archive([gzip.compress(layer) for layer in LAYERS], config))
    assert result.image.id == of_bytes(config)


def test_docker_archive_with_links(root: Path) -> None:
    layers = [LAYERS[0]] * 3
    (result,) = loaded(root, docker_archive(layers, config_for(layers), legacy=True))
    assert result.image.layers == [of_bytes(LAYERS[0])] * 3


def oci_archive(store: Store, image: Image, descriptors: list[dict[str, object]], extra: dict[str, bytes]) -> bytes:
    names = [image.id, image.manifest_digest, *(layer["digest"] for layer in image.manifest["layers"])]
    files = {f"blobs/sha256/{name[7:]}": Path(store.blob_path(name)).read_bytes() for name in names} | extra
    files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": descriptors}).encode()
    return archive(*(entry(f"./{name}", content=content) for name, content in files.items()))


@pytest.mark.parametrize(
    ("annotations", "names"),
    [
        ({}, []),
        ({"org.opencontainers.image.ref.name": "latest"}, []),
        ({"org.opencontainers.image.ref.name": "app"}, ["app:latest"]),
        ({"org.opencontainers.image.ref.name": "docker.io/library/app:3"}, ["app:3"]),
        ({"io.containerd.image.name": "quay.io/x/y:1", "org.opencontainers.image.ref.name": "1"}, ["quay.io/x/y:1"]),
    ],
)
def test_names_in_an_oci_archive(store: Store, other: Path, annotations: dict[str, str], names: list[str]) -> None:
    image = two_layers(store, "a:1")
    content = oci_archive(store, image, [{**store.descriptor(image), "annotations": annotations}], {})
    (result,) = loaded(other, content)
    assert [str(name) for name in result.names] == names


def test_an_index_of_several_platforms(store: Store, other: Path) -> None:
    """This machine's is taken; others may be missing, attestations are no images."""
    image = two_layers(store, "a:1")
    missing = {"mediaType": MANIFEST_TYPE, "digest": of_bytes(b"other"), "size": 5}
    own = store.descriptor(image)
    machine = os.uname().machine.replace("x86_64", "amd64").replace("aarch64", "arm64")
    index = json.dumps(
        {
            "schemaVersion": 2,
            "manifests": [
                {**own, "annotations": {"vnd.docker.reference.type": "attestation-manifest"}, "platform": {}},
                {**missing, "platform": {"architecture": "s390x", "os": "linux"}},
                {**own, "platform": {"architecture": machine, "os": "linux"}},
            ],
        }
    ).encode()
    kind = "application/vnd.oci.image.index.v1+json"
    top: dict[str, object] = {"mediaType": kind, "digest": of_bytes(index), "size": len(index)}
    extra = {f"blobs/sha256/{of_bytes(index)[7:]}": index}
    (result,) = loaded(other, oci_archive(store, image, [top], extra))
    assert result.image.id == image.id


def test_an_index_that_leads_to_itself(store: Store, other: Path) -> None:
    """Its digest cannot be right, but who would look."""
    name = "0" * 64
    top: dict[str, object] = {
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "digest": f"sha256:{name}",
        "size": 1,
    }
    extra = {f"blobs/sha256/{name}": json.dumps({"manifests": [top, top]}).encode()}
    with pytest.raises(CorruptArchive, match="holds no image"):
        loaded(other, oci_archive(store, two_layers(store, "a"), [top], extra))


def changed(content: bytes, name: str, change: object) -> bytes:
    """The archive with one file changed; a change to None removes it."""
    entries = []
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        for member in tar:
            file = tar.extractfile(member)
            data = file.read() if file else b""
            if name in member.name:
                if change is None:
                    continue
                data = change(data)  # type: ignore[operator]
                member.size = len(data)
            entries.append((member, data))
    return archive(*entries)


def test_what_is_not_as_it_says(root: Path, store: Store, other: Path) -> None:
    image = two_layers(store, "a:1")
    content = saved(store, "a:1")
    first = image.manifest["layers"][0]["digest"][7:]
    forged = gzip.compress(archive(entry("forged")))
    cases: list[tuple[str, object, type[MinidockError], str]] = [
        (first, lambda _: forged, DigestMismatch, "refused"),
        (first, None, CorruptArchive, "is missing"),
        (image.id[7:], lambda data: data.replace(b"amd64", b"arm64"), DigestMismatch, "refused"),
        (image.manifest_digest[7:], lambda data: data + b" ", DigestMismatch, "as its index says"),
        (image.manifest_digest[7:], lambda data: b"[]", CorruptArchive, "not as it should be"),
        (image.manifest_digest[7:], lambda data: b"{", CorruptArchive, "not JSON"),
        ("index.json", lambda data: b"x" * (5 << 20), CorruptArchive, "more than"),
        ("index.json", lambda data: b'{"manifests": {}}', CorruptArchive, "is missing|holds no image"),
        ("index.json", lambda data: data.replace(b"sha256:", b"md5:"), CorruptArchive, "no sha256 digest"),
        ("index.json", lambda data: data.replace(b"sha256:", b"sha256:/../../"), CorruptArchive, "no sha256 digest"),
    ]
    for name, change, kind, message in cases:
        with pytest.raises(kind, match=message):
            loaded(other, changed(changed(content, "manifest.json", None), name, change))
        assert Store(str(other)).list() == []
    config = config_for([b"other"])
    with pytest.raises(DigestMismatch, match="as the config says"):
        loaded(other, docker_archive([LAYERS[0]], config))
    with pytest.raises(CorruptArchive, match="has 2 layers for an image of 1"):
        loaded(other, docker_archive(list(LAYERS), config))
    assert Store(str(other)).list() == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no image"),
        (b"x" * 2000, "not a tar archive"),
        (archive(entry("etc/passwd")), "holds no image"),
        (archive(entry("manifest.json", content=b'[{"Config": "../../etc/passwd", "Layers": []}]')), "leads out of it"),
        (archive(entry("manifest.json", content=b'[{"Config": "c", "Layers": ["l"]}]')), "'c' is missing"),
        (archive(symlink("manifest.json", "a"), symlink("a", "manifest.json")), "holds no image"),
        (archive(symlink("x/y", "../../../z")), "leads out of it"),
    ],
)
def test_what_is_no_archive(root: Path, content: bytes, message: str) -> None:
    with pytest.raises((CorruptArchive, UnsafePath), match=message):
        loaded(root, content)


# As commands


def test_commands(store: Store, root: Path, tmp_path: Path, command: Command) -> None:
    image = two_layers(store, "a:1", "a:2")
    file = tmp_path / "a.tar"
    assert command("save", "-o", str(file), "a") == (0, b"", "")
    assert command("save", "a").out == file.read_bytes()
    command("rm", "-f", image.id)
    assert command("load", "-i", str(file)).out == b"Loaded image: a:1\nLoaded image: a:2\n"
    import_tarball(str(root), io.BytesIO(archive(entry("new"))), parse("a:1"))
    assert f"renaming the old one with ID {store.resolve('a:1').id}" in command("load", "-i", str(file)).out.decode()
    assert command("save", "nope").err == "minidock: No such image: nope:latest\n"
    assert command("save", "-o", "/no/such/dir/x", "a").err == "minidock: no such directory: /no/such/dir\n"
    assert command("load", "-i", "/no/such/file").err == "minidock: open /no/such/file: no such file or directory\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar", "canary", "root"]


def test_a_full_disk_leaves_no_archive(store: Store, command: Command) -> None:
    two_layers(store, "a:1")
    with pytest.raises(OSError, match="No space left"):
        command("save", "-o", "/dev/full", "a")
    assert os.path.exists("/dev/full")


# Against the real ones


@pytest.fixture(scope="module")
def docker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """The client of a docker daemon of the tests' own."""
    with peers.docker_daemon(str(tmp_path_factory.mktemp("docker"))) as base:
        assert base, "dockerd does not start"
        yield base


@pytest.fixture
def podman() -> Iterator[list[str]]:
    """podman with a store of its own; its driver vfs mounts nothing. It wants a short path for its --runroot."""
    with tempfile.TemporaryDirectory(prefix="mdt-") as top:
        yield ["podman", "--root", f"{top}/root", "--runroot", f"{top}/run", "--storage-driver", "vfs"]


def run(command: list[str], content: bytes = b"") -> bytes:
    done = subprocess.run(command, input=content, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


@pytest.mark.interop
def test_docker_loads_ours_and_we_load_dockers(store: Store, other: Path, docker: list[str]) -> None:
    image = two_layers(store, "team/app:1")
    assert b"Loaded image: team/app:1" in run([*docker, "load"], saved(store, "team/app:1"))
    shown = json.loads(run([*docker, "image", "inspect", "team/app:1"]))[0]
    assert (shown["Id"], shown["RootFS"]["Layers"]) == (image.id, image.layers)
    (result,) = loaded(other, gzip.compress(run([*docker, "save", "team/app:1"])))
    assert (result.image.id, result.names) == (image.id, [parse("team/app:1")])
    # docker writes its archives anew from what it unpacked: what comes back is what it made of our layers.
    for ours, theirs in zip(image.layer_paths, result.image.layer_paths, strict=True):
        assert tree(Path(ours)) == tree(Path(theirs))


@pytest.mark.interop
def test_unpacked_as_docker_does(store: Store, tmp_path: Path, docker: list[str]) -> None:
    """File by file: content, owners, modes, times to the nanosecond, attributes, links, devices."""
    make_tree(tmp_path / "tree")
    image = import_tarball(store.root, TarReader(str(tmp_path / "tree")), parse("all/kinds:1"))
    assert b"Loaded image: all/kinds:1" in run([*docker, "load"], saved(store, "all/kinds:1"))
    shown = json.loads(run([*docker, "image", "inspect", "all/kinds:1"]))[0]
    ours, theirs = tree(Path(image.layer_paths[0])), tree(Path(shown["GraphDriver"]["Data"]["UpperDir"]))
    ours.pop(b"."), theirs.pop(b".")  # not in the archive
    assert ours == theirs
    assert image.size == shown["Size"]


@pytest.mark.interop
@pytest.mark.parametrize("form", ["docker-archive", "oci-archive"])
def test_podman_loads_ours_and_we_load_podmans(store: Store, other: Path, podman: list[str], form: str) -> None:
    image = two_layers(store, "team/app:1")
    run([*podman, "load"], saved(store, "team/app:1"))
    assert json.loads(run([*podman, "image", "inspect", "docker.io/team/app:1"]))[0]["Id"] == image.id[7:]
    target = f"{other}/podman.tar"
    run([*podman, "save", "--format", form, "-o", target, "docker.io/team/app:1"])
    with open(target, "rb") as file:
        (result,) = load_images(Store(str(other)), file)
    assert (result.image.id, result.names) == (image.id, [parse("team/app:1")])


@pytest.mark.interop
def test_skopeo_both_ways(store: Store, other: Path) -> None:
    image = two_layers(store, "team/app:1")
    (other / "ours.tar").write_bytes(saved(store, "team/app:1"))
    for source in (f"docker-archive:{other}/ours.tar", f"oci-archive:{other}/ours.tar:1"):
        config = run(["skopeo", "inspect", "--config", "--raw", source])
        assert hashlib.sha256(config).hexdigest() == image.id[7:]
    for target in ("docker-archive", "oci-archive"):
        file = f"{other}/{target}.tar"
        run(["skopeo", "copy", f"oci:{store.images}:team/app:1", f"{target}:{file}:back/app:2"])
        with open(file, "rb") as opened:
            (result,) = load_images(Store(str(other)), opened)
        assert (result.image.id, [str(name) for name in result.names]) == (image.id, ["back/app:2"])


@pytest.mark.interop
def test_skopeo_puts_an_image_into_the_store(store: Store, other: Path) -> None:
    """The layout is an ordinary one: what another tool puts there can be used."""
    from minidock.engine.images.find_image import find_or_fetch

    image = two_layers(store, "team/app:1")
    run(["skopeo", "copy", f"oci:{store.images}:team/app:1", f"oci:{other}/images:team/app:1"])
    assert Store(str(other)).resolve("team/app:1").id == image.id
    ready = find_or_fetch(str(other), "team/app:1", "never", print)
    assert tree(Path(ready.layer_paths[1])) == tree(Path(image.layer_paths[1]))
    with pytest.raises(NotFoundError):
        Store(str(other)).resolve("team/app:2")
