"""Places inside a root that is not to be trusted."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from minidock.linux import openat2
from minidock.linux.mount_options import parse_options
from minidock.linux.syscalls import MS_BIND, MS_NOSUID, MS_PRIVATE, MS_RDONLY, MS_REC


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "root").mkdir()
    fd = os.open(tmp_path / "root", os.O_PATH | os.O_DIRECTORY)
    yield fd
    os.close(fd)


LEADS = {
    "a/b/c": "/a/b/c",
    ".hidden": "/.hidden",
    "/a/../../../x": "/x",
    "absolute/x": "/etc/x",
    "upwards/x": "/x",
    "dangling/x": "/not/there/x",
    "up-and-down": "/y/z",
    "twice": "/not/there",
}


@pytest.mark.parametrize(("path", "place"), LEADS.items(), ids=LEADS)
@pytest.mark.parametrize("directory", [True, False])
def test_what_is_missing_is_made_inside(root: int, tmp_path: Path, path: str, place: str, directory: bool) -> None:
    (tmp_path / "root/etc").mkdir()
    for name, target in (("absolute", "/etc"), ("upwards", "../../../.."), ("dangling", "not/there"),
                         ("up-and-down", "x/../y/z"), ("twice", "dangling")):  # fmt: skip
        (tmp_path / "root" / name).symlink_to(target)
    before = set(os.listdir(tmp_path))
    fd = openat2.make_in(root, path, directory=directory)
    assert openat2.path_in(root, fd) == place
    assert os.path.isdir(openat2.descriptor_path(fd)) is directory
    os.close(fd)
    assert set(os.listdir(tmp_path)) == before


def test_loops_and_files_on_the_way_are_errors(root: int, tmp_path: Path) -> None:
    (tmp_path / "root/loop").symlink_to("loop")
    (tmp_path / "root/file").touch()
    for path, error in (("loop/x", errno.ELOOP), ("file/x", errno.ENOTDIR)):
        with pytest.raises(OSError) as caught:
            openat2.make_in(root, path, directory=True)
        assert caught.value.errno == error


def test_options() -> None:
    assert parse_options(["ro", "nosuid", "rw", "rbind", "rprivate", "size=1k", "mode=700"]) == (
        MS_NOSUID | MS_BIND | MS_REC, [MS_PRIVATE | MS_REC], "size=1k,mode=700",
    )  # fmt: skip
    assert parse_options(["rw", "ro"])[0] == MS_RDONLY
