"""Layers, and looking into them without a mount: compared with what the kernel's own overlay shows."""

import os
import subprocess
from pathlib import Path

import pytest

from minidock.linux import overlay


@pytest.fixture
def layers(tmp_path: Path) -> list[str]:
    """Two layers, topmost first, made by an overlay mount itself; and what it shows, in `merged`."""
    script = """
    mkdir -p low/etc low/gone low/opaque low/d up work merged
    echo low >low/etc/low; echo low >low/both; echo low >low/gone/x; echo low >low/opaque/x; echo low >low/d/x
    ln -s ../both low/etc/link; ln -s /etc low/abs; ln -s loop low/loop; ln -s nowhere low/dangling
    mount -t overlay -o lowerdir=low,upperdir=up,workdir=work overlay merged
    cd merged; echo up >both; rm -r gone; rm -r opaque; mkdir opaque; echo up >opaque/y; rm -r d; echo file >d
    """
    subprocess.run(["unshare", "--mount", "sh", "-ec", script], cwd=tmp_path, check=True)
    return [f"{tmp_path}/up", f"{tmp_path}/low"]


@pytest.mark.parametrize(
    ("path", "content"),
    {
        "/etc/low": "low", "/both": "up", "/etc/link": "up", "/abs/link": "up", "/abs/../both": "up",
        "/../../both": "up", "/gone/x": None, "/gone": None, "/opaque/x": None, "/opaque/y": "up", "/d/x": None,
        "/d": "file", "/dangling": None, "/nowhere": None, "/both/x": None,
    }.items(),
)  # fmt: skip
def test_find_follows_the_kernel_s_rules(layers: list[str], path: str, content: str | None) -> None:
    found = overlay.find(layers, path)
    assert (Path(found).read_text().strip() if found else None) == content


def test_a_loop_of_links_is_an_error_and_no_hang(layers: list[str]) -> None:
    with pytest.raises(OSError, match="too many symbolic links"):
        overlay.find(layers, "/loop")


def test_whiteouts_and_opaque_directories_are_recognized(layers: list[str]) -> None:
    assert overlay.is_whiteout(os.lstat(f"{layers[0]}/gone"))
    assert not overlay.is_whiteout(os.lstat(f"{layers[0]}/both"))
    assert overlay.is_opaque(f"{layers[0]}/opaque")
    assert not overlay.is_opaque(f"{layers[1]}/opaque")


@pytest.mark.parametrize("paths", [["/a"], ["/a", "/b"], ["/a:b", "/c,d", "/e\\f", "/g\\:h"]])
def test_paths_in_options_survive(paths: list[str]) -> None:
    assert overlay.split_paths(":".join(map(overlay.escaped, paths))) == paths


def test_a_layer_that_comes_twice_is_mounted_once(layers: list[str], tmp_path: Path) -> None:
    """Images often have the same empty layer several times; the kernel alone refuses that."""
    for name in ("new", "scratch", "seen"):
        (tmp_path / name).mkdir()
    twice = [layers[0], layers[1], layers[0], layers[1]]
    overlay.mount(twice, f"{tmp_path}/new", f"{tmp_path}/scratch", f"{tmp_path}/seen")
    try:
        assert (tmp_path / "seen/both").read_text().strip() == "up"
        assert sorted(os.listdir(tmp_path / "seen/opaque")) == ["y"]
        assert not (tmp_path / "seen/gone").exists()
    finally:
        subprocess.run(["umount", f"{tmp_path}/seen"], check=True)
