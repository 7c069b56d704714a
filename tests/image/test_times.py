"""When images were made, compared as times and not as texts; which of them `image prune --filter dangling` takes."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from tests.support.command import Minidock

# In the order of the times, the newest first; None says nothing.
MADE = {"late": "2024-05-01T09:30:00.5Z", "middle": "2024-05-01T12:00:00+03:00", "early": "2024-04-30T23:59:59.999Z",
        "never": None}  # fmt: skip


def _archive(path: Path) -> None:
    """A docker archive of images that differ in their names and times only."""
    layer = io.BytesIO()
    tarfile.open(fileobj=layer, mode="w").close()
    with tarfile.open(path, "w") as archive:

        def add(name: str, content: bytes) -> None:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))

        add("layer.tar", layer.getvalue())
        rows = []
        for name, created in MADE.items():
            config = {"architecture": "amd64", "os": "linux", "config": {"Labels": {"name": name}},
                      "rootfs": {"type": "layers", "diff_ids": []}}  # fmt: skip
            config |= {"created": created} if created else {}
            add(f"{name}.json", json.dumps(config).encode())
            rows.append({"Config": f"{name}.json", "RepoTags": [f"{name}:1"], "Layers": []})
        add("manifest.json", json.dumps(rows).encode())


@pytest.fixture
def images(tmp_path: Path, minidock: Minidock) -> Minidock:
    own = Minidock(root=tmp_path / "root", run=minidock.run)
    _archive(tmp_path / "images.tar")
    done = own("load", "-i", str(tmp_path / "images.tar"))
    assert done.returncode == 0, done
    return own


@pytest.mark.parametrize(("filters", "names"), [
    ((), "late middle early never"),
    (("-f", "since=middle:1"), "late"),
    (("-f", "before=late:1"), "middle early"),
    (("-f", "until=2024-05-01T09:00:00Z"), "early"),
    (("-f", "until=2024-05-01T11:00:01+02:00"), "middle early"),
])  # fmt: skip
def test_times_are_compared_in_whatever_zone_they_are(images: Minidock, filters: tuple[str, ...], names: str) -> None:
    shown = images("images", "--format", "{{.Repository}}", *filters)
    assert shown.stdout.decode().split() == names.split(), shown


def test_prune_takes_what_dangling_says(images: Minidock) -> None:
    prune = ("image", "prune", "-f", "--filter")
    assert images(*prune, "dangling=true").stdout == b"Total reclaimed space: 0B\n"
    assert images(*prune, "dangling=maybe").returncode != 0
    assert images("image", "prune", "-af", "--filter", "dangling=true").returncode != 0
    assert images(*prune, "dangling=false", "--filter", "until=2024-05-01T09:00:00Z").returncode == 0
    assert images("images", "--format", "{{.Repository}}").stdout.split() == [b"late", b"middle", b"never"]
    assert images(*prune, "dangling=false").returncode == 0
    assert images("images", "-q").stdout == b""
