"""The cache of `minidock build`: what is taken from it, and the line that says why or why not."""

from __future__ import annotations

import os
import subprocess

from tests.build.conftest import Context, reasons
from tests.support.command import Minidock

SAME = "CACHED (nothing it depends on has changed)"


def test_what_is_the_same_is_not_done_again(context: Context) -> None:
    context.write("f", "one")
    dockerfile = "FROM alpine\nRUN date +%N > /now\nCOPY f /f\nWORKDIR /w\n"
    first = reasons(context.built(dockerfile))[1:]
    assert first == ["DONE (it is built for the first time)"] * 3
    image = context.config()
    before = image["RootFS"]
    os.utime(context.path / "f", (1, 1))  # the time of a file is no part of its key
    assert reasons(context.built(dockerfile))[1:] == [SAME] * 3
    assert context.config()["Id"] == image["Id"]
    again = reasons(context.built(dockerfile, "--no-cache"))[1:]
    assert again == ["DONE (--no-cache)"] * 3
    assert context.config()["RootFS"]["Layers"][1] != before["Layers"][1]


def test_an_argument_that_no_step_has_seen_changes_nothing(context: Context) -> None:
    dockerfile = "FROM alpine\nRUN date +%N > /now\nARG later\nENV last=$later\n"
    context.built(dockerfile)
    assert reasons(context.built(dockerfile, "--build-arg", "later=1"))[1:] == [SAME]
    assert "last=1" in context.config()["Config"]["Env"]


def test_prune_leaves_what_the_cache_has(context: Context, engine: Minidock) -> None:
    dockerfile = "FROM alpine\nRUN date +%N > /now\n"
    context.built(dockerfile)
    assert engine("rmi", context.name).returncode == 0
    assert engine("image", "prune", "-f").returncode == 0
    assert reasons(context.built(dockerfile))[1:] == [SAME]
    assert context.run("test -s /now && echo there") == "there\n"


def test_prune_of_the_cache(context: Context, engine: Minidock) -> None:
    dockerfile = "FROM alpine\nRUN --mount=type=cache,target=/c head -c 50000 /dev/urandom | tee /c/x > /kept\n"
    assert engine("builder", "prune", "-a", "-f").returncode == 0
    assert cache_row(engine) == ["0", "0", "0B", "0B"]
    context.built(dockerfile)
    count, used, size, _ = cache_row(engine)
    assert (count, used, size) == ("2", "0", "50kB")  # the layer is the image's too: what is left is the mount
    engine("builder", "prune", "-f")
    assert reasons(context.built(dockerfile))[1:] == [SAME]
    assert engine("rmi", context.name).returncode == 0
    assert float(cache_row(engine)[2].removesuffix("kB")) > 50
    out = engine("builder", "prune", "-f").stdout.decode()
    assert out.startswith("Deleted build cache objects:\n")
    assert cache_row(engine) == ["0", "0", "0B", "0B"]
    assert reasons(context.built(dockerfile))[1:] == ["DONE (it is no longer in the cache)"]


def cache_row(engine: Minidock) -> list[str]:
    """The row of `system df`: how many, how many in use, size, reclaimable."""
    template = "{{.Type}}|{{.TotalCount}}|{{.Active}}|{{.Size}}|{{.Reclaimable}}"
    rows = engine("system", "df", "--format", template).stdout.decode().splitlines()
    return rows[-1].split("|")[1:]


def test_a_mount_that_a_build_has_is_not_pruned(context: Context, engine: Minidock) -> None:
    engine("builder", "prune", "-a", "-f")
    wait = "echo begun; while [ ! -e /c/go ]; do sleep 0.1; done; cat /c/go > /went"
    context.write("Dockerfile", f"FROM alpine\nRUN --mount=type=cache,target=/c {wait}\n")
    with engine.start("build", "-t", context.name, str(context.path), stderr=subprocess.PIPE) as build:
        assert build.stderr
        next(line for line in build.stderr if line.endswith(b" begun\n"))
        assert cache_row(engine)[:2] == ["1", "1"]
        assert engine("builder", "prune", "-a", "-f").stdout == b"Total reclaimed space: 0B\n"
        assert engine("system", "prune", "-a", "-f").returncode == 0
        (mount,) = (engine.root / "build" / "mounts").iterdir()
        (mount / "content" / "go").write_text("went\n")
        assert build.wait(60) == 0
    assert context.run("cat /went") == "went\n"


def test_the_same_build_by_its_other_names(context: Context, engine: Minidock) -> None:
    context.write("Dockerfile", "FROM alpine\nENV a=b\n")
    for words in (["image", "build"], ["builder", "build"], ["buildx", "build"]):
        done = engine(*words, "-q", "-t", context.name, str(context.path))
        assert done.returncode == 0, done.stderr
        assert done.stdout.decode().strip() == context.config()["Id"]
