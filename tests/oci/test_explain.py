"""MINIDOCK_EXPLAIN: the runtime's own commands say what they do in the kernel."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.oci.conftest import Oci
from tests.oci.test_lifecycle import eventually


def test_a_life_is_told_as_it_happens(oci: Oci, tmp_path: Path) -> None:
    story = tmp_path / "story"
    told = {"MINIDOCK_EXPLAIN": str(story)}
    oci.configure("sleep", "1000")
    assert oci.create("one", env=told).returncode == 0
    first = story.read_text()
    assert re.match(r"\n== create one  \(pid \d+\)\n", first)
    assert re.search(r"clone3\(\{flags=CLONE_PIDFD\|CLONE_NEWNS\|.*\}\) = \d+\n", first)
    assert "Change the root with pivot_root  the container's first process" in first
    assert "outside of any step" not in first
    assert 'execve("/bin/sleep"' not in first
    oci.ok("start", "one", env=told)
    oci.ok("exec", "one", "true", env=told)
    oci.ok("delete", "--force", "one", env=told)
    rest = story.read_text().removeprefix(first)
    in_order = ["start one", 'execve("/bin/sleep", ["sleep", "1000"]', "exec one true", "setns(",
                'execve("/bin/true"', "delete one", "rmdir("]  # fmt: skip
    places = [rest.index(words) for words in in_order]
    assert places == sorted(places)
    eventually(lambda: story.read_text().count("kernel calls: ") == 4)


@pytest.mark.parametrize("fails", [True, False])
def test_json_and_a_failure(oci: Oci, tmp_path: Path, fails: bool) -> None:
    story = tmp_path / "story"
    oci.configure("missing" if fails else "true")
    done = oci.run("one", env={"MINIDOCK_EXPLAIN": f"json:{story}"})
    assert done.returncode == int(fails)
    rows = [json.loads(line) for line in story.read_text().splitlines()]
    assert rows[0]["event"] == "command"
    assert rows[0]["words"][-1] == "one"
    programs = [row["text"] for row in rows if row.get("call") == "execve" and row["process"] == "container"]
    assert len(programs) == (0 if fails else 1)


def test_what_cannot_be_told(oci: Oci, tmp_path: Path) -> None:
    oci.configure("true")
    done = oci.run("one", env={"MINIDOCK_EXPLAIN": f"{tmp_path}/none/story"})
    message = f"minidock-oci: MINIDOCK_EXPLAIN={tmp_path}/none/story: No such file or directory\n"
    assert (done.returncode, done.stderr) == (1, message)
    done = oci.run("one", env={"MINIDOCK_EXPLAIN": f"step:{tmp_path}/story"})
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "the style is one of full, brief, json" in done.stderr
