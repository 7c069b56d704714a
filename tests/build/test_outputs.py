"""What becomes of a build: archives, directories, images with the same bytes, files that tell of it."""

from __future__ import annotations

import io
import json
import os
import re
import tarfile
from pathlib import Path

import pytest

from tests.build.conftest import Context
from tests.support.command import Minidock

DOCKERFILE = """
FROM alpine AS files
RUN mkdir -p /out/bin && echo tool > /out/bin/tool && chmod 750 /out/bin/tool && chown 7:8 /out/bin/tool \
    && ln -s bin/tool /out/link && ln /out/bin/tool /out/hard
FROM scratch
COPY --from=files /out /
COPY mark /
"""


def test_files_go_into_a_directory_beside_what_is_there(context: Context, tmp_path: Path) -> None:
    context.write("mark", "marked")
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "kept").write_text("kept")
    context.built(DOCKERFILE, "-o", str(tmp_path / "to"))
    found = tmp_path / "to"
    assert sorted(os.listdir(found)) == ["bin", "hard", "kept", "link", "mark"]
    status = (found / "bin" / "tool").stat()
    assert (oct(status.st_mode & 0o7777), status.st_uid, status.st_gid, status.st_nlink) == ("0o750", 0, 0, 2)
    assert os.readlink(found / "link") == "bin/tool"
    assert context.minidock("image", "inspect", context.name).returncode == 1


@pytest.mark.parametrize("words", [("-o", "-"), ("-o", "type=tar,dest=-")])
def test_files_go_into_an_archive(context: Context, words: tuple[str, ...]) -> None:
    context.write("mark", "marked")
    done = context.build(DOCKERFILE, *words)
    assert done.returncode == 0, done.stderr
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        entries = {entry.name.strip("/"): entry for entry in archive}
    assert sorted(entries) == ["bin", "bin/tool", "hard", "link", "mark"]
    assert (entries["bin/tool"].uid, entries["bin/tool"].gid, entries["bin/tool"].mode) == (7, 8, 0o750)
    assert entries["hard"].islnk()


@pytest.mark.parametrize("kind", ["oci", "docker"])
def test_an_image_goes_into_an_archive_that_can_be_loaded(context: Context, tmp_path: Path, kind: str) -> None:
    context.write("mark", "marked")
    target = tmp_path / "deep" / "image.tar"
    context.built(DOCKERFILE, "-o", f"type={kind},dest={target}", "--metadata-file", str(tmp_path / "told.json"))
    assert context.minidock("image", "inspect", context.name).returncode == 1
    done = context.minidock("load", "-i", str(target))
    assert f"Loaded image: {context.name}:latest" in done.stdout.decode()
    told = json.loads((tmp_path / "told.json").read_text())
    assert told["containerimage.config.digest"] == context.config()["Id"]
    assert told["image.name"] == f"docker.io/library/{context.name}:latest"
    with tarfile.open(target) as archive:
        assert ("manifest.json" in archive.getnames()) == (kind == "docker")
        index = json.load(archive.extractfile("index.json"))  # type: ignore[arg-type]
    assert index["manifests"][0]["digest"] == told["containerimage.digest"]


def test_a_layout_that_another_build_begins_with(context: Context, tmp_path: Path) -> None:
    context.write("mark", "marked")
    layout = tmp_path / "layout"
    context.built("FROM alpine\nENV made=here\nCOPY mark /mark\n", "-o", f"type=oci,tar=false,dest={layout}")
    assert json.loads((layout / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
    context.built(
        "FROM base\nCOPY --from=base /mark /again\nENV more=$made\n",
        "--build-context",
        f"base=oci-layout://{layout}:latest",
    )
    assert context.run("cat /mark /again; echo $more") == "markedmarkedhere\n"
    for name, why in ((f"{layout}:other", "no image other in index.json"), (f"{tmp_path}", "is no OCI image layout")):
        told = context.refused("FROM base\n", "--build-context", f"base=oci-layout://{name}")
        assert why in told


def test_the_same_input_gives_the_same_bytes(context: Context) -> None:
    context.write("a", "a")
    dockerfile = "FROM alpine\nWORKDIR /w\nCOPY a /deep/er/a\nRUN mkdir /r && echo r > /r/r && rm /etc/motd\n"
    ids = set()
    for moment in (1_700_000_000, 1_800_000_000):
        os.utime(context.path / "a", (moment, moment))
        context.built(
            dockerfile, "--no-cache", "-o", "type=image,rewrite-timestamp=true", env={"SOURCE_DATE_EPOCH": "1600000000"}
        )
        found = context.config()
        ids.add(found["Id"])
        assert found["Created"] == "2020-09-13T12:26:40Z"
    assert len(ids) == 1
    assert context.run("stat -c %Y /deep /deep/er/a /w /r /r/r | sort -u").split() == ["1600000000"]
    told = context.refused(dockerfile, "-o", "type=image,rewrite-timestamp=true")
    assert "rewrite-timestamp=true needs SOURCE_DATE_EPOCH" in told


MAGIC = {"gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd", "uncompressed": b""}


@pytest.mark.parametrize("kind", MAGIC)
@pytest.mark.parametrize("forced", [False, True])
def test_layers_of_another_compression(context: Context, tmp_path: Path, kind: str, forced: bool) -> None:
    """The same files, and so the same diff IDs; a base image's layers only if that is asked for."""
    layout = tmp_path / "layout"
    words = f"type=oci,tar=false,dest={layout},compression={kind},force-compression={str(forced).lower()}"
    context.built("FROM alpine\nRUN echo x > /made\n")
    plain = context.config()["RootFS"]["Layers"]
    context.built("FROM alpine\nRUN echo x > /made\n", "-o", words)
    index = json.loads((layout / "index.json").read_text())
    manifest = json.loads(blob(layout, index["manifests"][0]["digest"]))
    suffix = {"uncompressed": ""}.get(kind, f"+{kind}")
    for position, layer in enumerate(manifest["layers"]):
        content = blob(layout, layer["digest"])
        is_ours = position > 0 or forced
        assert layer["mediaType"] == f"application/vnd.oci.image.layer.v1.tar{suffix if is_ours else '+gzip'}"
        assert len(content) == layer["size"]
        if is_ours:
            assert content.startswith(MAGIC[kind])
            assert kind != "uncompressed" or layer["digest"] == plain[position]
    context.built("FROM base\nCOPY --from=base /made /again\n", "--build-context", f"base=oci-layout://{layout}")
    assert context.run("cat /again") == "x\n"
    assert context.config()["RootFS"]["Layers"][:2] == plain


def blob(layout: Path, digest: str) -> bytes:
    return (layout / "blobs" / "sha256" / digest.removeprefix("sha256:")).read_bytes()


WRONG = {
    "type=none": "invalid output 'type=none': type is one of image, registry, tar, local, docker, oci, cacheonly",
    "dest=x": "invalid output 'dest=x': type is required",
    "type=local": "dest is required for the output type=local",
    "type=image,compression=estargz": "compression=estargz is not supported: layers are gzip, zstd, uncompressed",
    "type=oci,dest=x,compression=zstd,compression-level=23": "invalid compression-level '23' of zstd: 0 to 22",
    "type=oci,dest=.": "destination . is a directory",
    "type=local,dest=/dev/null": "destination /dev/null is no directory",
}


@pytest.mark.parametrize("output", WRONG)
def test_a_wrong_output(engine: Minidock, tmp_path: Path, output: str) -> None:
    done = engine("build", "-o", output, str(tmp_path))
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (1, b"", 1)
    assert WRONG[output] in done.stderr.decode()


def test_an_output_on_a_full_disk_leaves_what_was_there(context: Context, tmp_path: Path) -> None:
    context.write("big", os.urandom(3 << 20))
    target = tmp_path / "small"
    target.mkdir()
    done = context.minidock("run", "--rm", "alpine", "true")
    assert done.returncode == 0
    import subprocess

    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(target)], check=True)
    try:
        (target / "image.tar").write_text("what was there")
        for output in (f"type=oci,dest={target}/image.tar", f"type=tar,dest={target}/image.tar"):
            told = context.refused("FROM scratch\nCOPY big /\n", "-o", output)
            assert "No space left on device" in told
            assert os.listdir(target) == ["image.tar"]
            assert (target / "image.tar").read_text() == "what was there"
    finally:
        subprocess.run(["umount", str(target)], check=True)


def test_progress_as_json(context: Context) -> None:
    told = context.built("FROM alpine\nRUN echo from the command\n", "--progress", "rawjson", "--no-cache")
    rows = [json.loads(line) for line in told.splitlines()]
    steps = [row for event in rows for row in event.get("vertexes", ())]
    (begun, ended) = [row for row in steps if row["name"].endswith("RUN echo from the command")]
    assert begun["digest"] == ended["digest"]
    assert (ended["cached"], "completed" in begun, "completed" in ended) == (False, False, True)
    import base64

    logs = [row for event in rows for row in event.get("logs", ()) if row["vertex"] == begun["digest"]]
    assert b"".join(base64.b64decode(row["data"]) for row in logs) == b"from the command\n"
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", row["timestamp"]) for row in logs)
