"""--platform of import, save and load: what an image is for, and that it is what was asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from minidock.image.store import Store
from tests.image.conftest import Command
from tests.image.tars import archive, entry


def test_there_and_back(store: Store, tmp_path: Path, command: Command) -> None:
    (tmp_path / "rootfs.tar").write_bytes(archive(entry("x")))
    assert command("import", "--platform", "ARM64/v8", str(tmp_path / "rootfs.tar"), "far:1").code == 0
    image = store.resolve("far:1")
    assert (image.os, image.architecture) == ("linux", "arm64")
    assert (image.platform.os, image.platform.architecture) == ("linux", "arm64")
    wrong, right = ("--platform", "linux/s390x"), ("--platform", "linux/aarch64")
    saved = str(tmp_path / "far.tar")
    done = command("save", *wrong, "-o", saved, "far:1")
    assert (done.code, Path(saved).exists()) == (1, False)
    assert "wanted linux/s390x, actual: linux/arm64" in done.err
    assert command("save", *right, "-o", saved, "far:1").code == 0
    assert command("rm", "--no-prune", "far:1").code == 0
    done = command("load", *wrong, "-i", saved)
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert "is for linux/arm64, and not for linux/s390x" in done.err
    assert store.list() == []
    assert command("load", *right, "-i", saved).out == b"Loaded image: far:1\n"
    assert store.resolve("far:1").id == image.id


@pytest.mark.parametrize("platform", ["a/b/c/d", "linux/", "nosuch"])
def test_a_platform_that_is_none(tmp_path: Path, command: Command, platform: str) -> None:
    (tmp_path / "rootfs.tar").write_bytes(archive(entry("x")))
    done = command("import", "--platform", platform, str(tmp_path / "rootfs.tar"))
    assert (done.code, done.out) == (1, b"")
    assert "is not a platform" in done.err
