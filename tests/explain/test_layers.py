"""`minidock layers`: what each layer adds, changes and hides, judged beside what overlayfs itself shows."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from minidock.image.store import Store
from tests.explain.looking import load_layers
from tests.image.tars import archive, directory, entry, hard_link, symlink
from tests.support.command import Minidock


def layers_of(minidock: Minidock, *words: str) -> Any:
    done = minidock("layers", "--json", *words)
    assert (done.returncode, done.stderr) == (0, b"")
    return json.loads(done.stdout)


def test_format_json_is_the_same(minidock: Minidock, layered: str) -> None:
    assert json.loads(minidock("layers", "--format", "json", layered).stdout) == layers_of(minidock, layered)


def paths(changes: list[dict[str, Any]]) -> dict[str, str]:
    return {change["path"]: change["how"] for change in changes}


@contextmanager
def merged(minidock: Minidock, image: str, tmp_path: Path) -> Iterator[Path]:
    """The image as overlayfs shows it."""
    lower = ":".join(reversed(Store(str(minidock.root)).resolve(image).layer_paths))
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", f"lowerdir={lower}", tmp_path], check=True)
    try:
        yield tmp_path
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_added_changed_hidden(minidock: Minidock, layered: str) -> None:
    first, second, third = (layer["changes"] for layer in layers_of(minidock, layered))
    assert len(first["added"]) == first["entries"] == 14
    assert first["changed"] == first["hidden"] == []
    assert paths(second["added"]) == {"/etc/new": ""}
    assert paths(second["changed"]) == {"/etc/changed": "content", "/etc/chmod": "attributes"}
    assert paths(second["hidden"]) == {"/etc/gone": "whiteout", "/opt": "whiteout"}
    assert [(c["path"], c["entries"], c["before"]) for c in second["hidden"]] == [("/etc/gone", 1, 5), ("/opt", 4, 11)]
    assert paths(third["hidden"]) == {"/srv/one": "opaque", "/lib": "replaced"}
    assert paths(third["changed"]) == {"/srv/two": "content", "/lib": "kind"}
    assert [layer["created_by"] for layer in layers_of(minidock, layered)] == ["ADD first", "RUN second", "RUN third"]


def test_a_file_of_several_names_is_hidden_with_its_last(minidock: Minidock) -> None:
    links = [hard_link("a/two", "a/one"), hard_link("b/three", "a/one")]
    base = archive(directory("a"), entry("a/one", content=b"seven c"), directory("b"), *links)
    later = [archive(entry("a/.wh.one")), archive(entry(".wh.a")), archive(entry("b/three", content=b"other"))]
    load_layers(minidock, "names:1", [base, *later], ["base", "one", "two", "three"])
    try:
        lost = [layer["changes"] for layer in layers_of(minidock, "names:1")]
        assert [sum(c["before"] for c in (*each["changed"], *each["hidden"])) for each in lost] == [0, 0, 0, 7]
        load_layers(minidock, "names:2", [base, archive(entry(".wh.a"), entry(".wh.b"))], ["base", "all"])
        assert sum(c["before"] for c in layers_of(minidock, "names:2")[1]["changes"]["hidden"]) == 7
    finally:
        minidock("rmi", "-f", "names:1", "names:2")


def test_the_sum_of_all_changes_is_what_overlayfs_shows(minidock: Minidock, layered: str, tmp_path: Path) -> None:
    """Add up what the layers say that they add and hide; mount them; compare."""
    expected: set[str] = set()
    for layer in layers_of(minidock, layered):
        for hidden in layer["changes"]["hidden"]:
            expected -= {path for path in expected if f"{path}/".startswith(f"{hidden['path']}/")}
        changes = layer["changes"]
        expected |= {change["path"] for change in (*changes["added"], *changes["changed"])}
    with merged(minidock, layered, tmp_path) as top:
        found = {f"/{path.relative_to(top)}" for path in top.rglob("*")}
    assert expected == found


def test_the_tree_counts_what_overlayfs_shows(minidock: Minidock, layered: str, tmp_path: Path) -> None:
    tree = {row["path"]: row for row in layers_of(minidock, "--tree", layered)}
    with merged(minidock, layered, tmp_path) as top:
        for path, row in tree.items():
            files = [file for file in (top / path.lstrip("/")).rglob("*") if not file.is_dir()]
            assert sum(share["files"] for share in row["shares"].values()) == len(files), path
            size = sum(share["size"] for share in row["shares"].values())
            assert size == sum(file.stat().st_size for file in files), path
        directories = {f"/{path.relative_to(top)}" for path in top.rglob("*") if path.is_dir()}
    assert set(tree) == directories | {"/"}
    assert {path: row["layer"] for path, row in tree.items()} == {"/": 1, "/etc": 2, "/srv": 3}
    assert tree["/etc"]["shares"] == {"1": {"files": 1, "size": 4}, "2": {"files": 3, "size": 10}}


@pytest.mark.parametrize(
    ("path", "layer", "story"),
    [
        ("/etc/kept", 1, [(1, "added", "")]),
        ("/etc/changed", 2, [(1, "added", ""), (2, "changed", "")]),
        ("/etc/gone", 0, [(1, "added", ""), (2, "hidden", "/etc/gone")]),
        ("/opt/deep/a", 0, [(1, "added", ""), (2, "hidden", "/opt")]),
        ("/srv/one", 0, [(1, "added", ""), (3, "hidden", "/srv")]),
        ("/srv/two", 3, [(1, "added", ""), (3, "changed", "")]),
        ("/lib/x", 0, [(1, "added", ""), (3, "hidden", "/lib")]),
        ("etc//./kept", 1, [(1, "added", "")]),
    ],
)
def test_where_a_file_comes_from(
    minidock: Minidock, layered: str, path: str, layer: int, story: list[tuple[int, str, str]]
) -> None:
    found = layers_of(minidock, "--path", path, layered)
    assert found["layer"] == layer
    assert [(event["layer"], event["what"], event["by"]) for event in found["events"]] == story


def test_links_on_the_way_are_followed_inside_the_image(minidock: Minidock) -> None:
    links = [symlink("bin", "usr/bin"), symlink("out", "/../../../../usr/bin"), symlink("round", "round")]
    base = archive(directory("usr"), directory("usr/bin"), entry("usr/bin/ls", content=b"ls"), *links)
    load_layers(minidock, "links:1", [base, archive(entry("usr/bin/ls", content=b"newer"))], ["a", "b"])
    found = layers_of(minidock, "--path", "/bin/ls", "links:1")
    assert (found["path"], found["layer"]) == ("/usr/bin/ls", 2)
    assert layers_of(minidock, "--path", "/out/ls", "links:1")["path"] == "/usr/bin/ls"
    assert layers_of(minidock, "--path", "/bin", "links:1")["target"] == "usr/bin"
    done = minidock("layers", "--path", "/round/x", "links:1")
    assert (done.returncode, done.stdout) == (125, b"")
    assert b"symbolic links" in done.stderr


def test_text(minidock: Minidock, layered: str) -> None:
    done = minidock("layers", layered, env={"LC_ALL": "C.UTF-8"})
    text = done.stdout.decode()
    assert "- /etc/gone  5B, deleted by a whiteout" in text
    assert "~ /etc/chmod  4B, only owner, mode or date changed" in text
    assert "- /opt/  4 entries, 11B, deleted by a whiteout" in text
    assert "\x1b" not in text
    story = minidock("layers", "--path", "/srv/one", layered, env={"LC_ALL": "C.UTF-8"}).stdout.decode().splitlines()
    assert story[0] == "/srv/one is in no container of this image"
    assert story[3].split("  ")[-2:] == [" hidden by an opaque directory: /srv", " RUN third"]
    assert text.splitlines()[-1] == "48B in 3 layers, of which 27B cannot be seen any more"
    assert "supprimé par un whiteout" in minidock("layers", layered, env={"LC_ALL": "fr_FR.UTF-8"}).stdout.decode()


def test_names_that_could_harm_a_terminal_are_shown_as_escapes(minidock: Minidock) -> None:
    base = archive(entry("a\x1b[31mred\nline\u202e"), entry(os.fsdecode(b"\xff\xfe")))
    load_layers(minidock, "ugly:1", [base], ["RUN \x1b[2J"])
    for encoding in ("utf-8", "ascii"):
        done = minidock("layers", "ugly:1", env={"PYTHONIOENCODING": encoding})
        assert (done.returncode, done.stderr) == (0, b"")
        assert b"\x1b" not in done.stdout
        assert rb"a\x1b[31mred\nline\u202e" in done.stdout
        assert rb"\xff\xfe" in done.stdout
    assert paths(layers_of(minidock, "ugly:1")[0]["changes"]["added"]).keys() == {
        "/a\x1b[31mred\nline\u202e", "/" + os.fsdecode(b"\xff\xfe")
    }  # fmt: skip


def test_what_cannot_be_shown(minidock: Minidock, layered: str) -> None:
    for words, message in (
        (["no-such"], "No such image: no-such:latest"),
        (["--path", "/nowhere", layered], "no layer has /nowhere"),
        (["--path", "/etc", "--tree", layered], "--path and --tree exclude each other"),
    ):
        done = minidock("layers", *words)
        assert (done.returncode, done.stdout) == (1, b"")
        assert done.stderr.decode() == f"minidock: {message}\n"


def test_numbers_are_written_as_in_french(minidock: Minidock, layered: str) -> None:
    """A decimal comma, octets, and no line that breaks between a number and its unit."""
    shown = minidock("layers", layered, env={"LC_ALL": "fr_FR.UTF-8"}).stdout.decode()
    assert re.search(r"\d(?:,\d+)?\N{NO-BREAK SPACE}[kM]?o\b", shown)
    assert not re.search(r"\d\.\d|\d ?[kM]?B\b", shown.partition("\n\n")[2] or shown)
    assert "SIZE" not in shown
