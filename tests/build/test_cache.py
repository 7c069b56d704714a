"""The cache of `minidock build`: what is taken from it, and the line that says why or why not."""

from __future__ import annotations

import json
import os
import subprocess
import time

from tests.build.conftest import Context, reasons
from tests.engine.containers import eventually
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


def test_digests_of_a_context_that_is_gone_are_pruned(context: Context, engine: Minidock) -> None:
    context.write("f", "one")
    os.utime(context.path / "f", (1, 1))
    time.sleep(2.1)  # what has changed just now is not remembered
    context.built("FROM scratch\nCOPY f /f\n")
    kept = engine.root / "build" / "digests"
    before = set(os.listdir(kept))
    assert any(str(context.path) in (kept / name).read_text() for name in before)
    engine("builder", "prune", "-f")
    assert any(str(context.path) in (kept / name).read_text() for name in os.listdir(kept))
    context.path.rename(f"{context.path}.gone")
    engine("builder", "prune", "-f")
    assert not any(str(context.path) in (kept / name).read_text() for name in os.listdir(kept))


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


def test_how_cache_mounts_are_shared(context: Context, engine: Minidock) -> None:
    """Two stages at the same time: `private` gives each its own, `locked` one after the other."""
    script = "echo $$ >> /c/log; for i in 1 2 3 4 5 6 7 8 9; do sleep 0.1; done; echo end >> /c/log; cp /c/log /log"
    for sharing, wanted in (("private", [2, 2]), ("locked", [2, 4])):
        engine("builder", "prune", "-a", "-f")
        mount = f"--mount=type=cache,target=/c,sharing={sharing}"
        context.built(
            f"FROM alpine AS a\nRUN {mount} {script}\nFROM alpine AS b\nRUN {mount} : b; {script}\n"
            "FROM scratch AS log\nCOPY --from=a /log /a\nCOPY --from=b /log /b\nFROM alpine\nCOPY --from=log / /\n"
        )
        lengths = sorted(int(count) for count in context.run("wc -l < /a; wc -l < /b").split())
        assert lengths == wanted
        mounts = [row for row in engine("builder", "du").stdout.decode().splitlines() if row.split()[1:2] == ["true"]]
        assert len(mounts) >= (2 if sharing == "private" else 1)


def test_a_cache_mount_begins_with_files_of_a_stage(context: Context) -> None:
    context.built(
        "FROM alpine AS seed\nRUN mkdir -p /s/d && echo seed > /s/d/f && chown -R 5:6 /s\nFROM alpine\n"
        "RUN --mount=type=cache,id=seeded,target=/c,from=seed,source=/s cat /c/d/f > /1; stat -c '%u:%g' /c/d/f >> /1; "
        "echo more > /c/d/f\n"
        "RUN --mount=type=cache,id=seeded,target=/c,from=seed,source=/s cat /c/d/f >> /1\n"
    )
    assert context.run("cat /1").split() == ["seed", "5:6", "more"]


def test_what_is_kept_is_listed(context: Context, engine: Minidock) -> None:
    engine("builder", "prune", "-a", "-f")
    context.built("FROM alpine\nRUN --mount=type=cache,id=listed,target=/c echo kept > /c/f && echo step > /f\n")
    told = engine("builder", "du", "--verbose").stdout.decode()
    assert "Description:\tcached mount listed\nType:\texec.cachemount" in told
    assert "Description:\tRUN --mount=type=cache,id=listed" in told
    rows = engine("buildx", "du").stdout.decode().splitlines()
    assert rows[0].split() == ["ID", "RECLAIMABLE", "SIZE", "LAST", "ACCESSED"]
    assert len(rows) == 1 + 2 + 2
    assert engine("builder", "du", "--filter", "id=none").stdout.decode().count("\n") == 3
    assert b"default*" in engine("buildx", "ls").stdout
    assert engine("buildx", "inspect", "other").stderr.startswith(b'minidock: no builder "other" found')
    assert b"there is one builder" in engine("buildx", "create").stderr


def test_a_file_that_nobody_touched_is_not_read_again(context: Context) -> None:
    """Its inode, size and times say so; one that was changed a moment ago is read all the same."""
    old = context.write("old", "one")
    context.write("new", "one")
    dockerfile = "FROM alpine\nCOPY old new /\n"
    context.built(dockerfile)
    eventually(lambda: time.time() - old.stat().st_ctime > 2.5)
    context.built(dockerfile, "--no-cache")
    (known,) = (
        json.loads(path.read_text())["files"]
        for path in (context.minidock.root / "build/digests").iterdir()
        if str(old.stat().st_ino) in path.read_text()
    )
    assert known["old"][:2] == [old.stat().st_ino, 3]
    times = (old.stat().st_atime_ns, old.stat().st_mtime_ns)
    old.write_text("two")
    os.utime(old, ns=times)  # the ctime tells
    assert reasons(context.built(dockerfile))[1] == "DONE (old changed at line 1)"
    context.write("new", "two")
    assert reasons(context.built(dockerfile))[1] == "DONE (new changed at line 1)"
