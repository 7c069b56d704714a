"""The cache of `minidock build`: what is taken from it, and the line that says why or why not."""

from __future__ import annotations

import os

from tests.build.conftest import Context, reasons
from tests.support.command import Minidock

SAME = "CACHED (nothing it depends on has changed)"


def test_what_is_the_same_is_not_done_again(context: Context) -> None:
    context.write("f", "one")
    dockerfile = "FROM alpine\nRUN date +%N > /now\nCOPY f /f\nWORKDIR /w\n"
    first = reasons(context.built(dockerfile))[1:]
    assert first == ["DONE (it is built for the first time)"] * 3
    before = context.config()["RootFS"]
    os.utime(context.path / "f", (1, 1))  # the time of a file is no part of its key
    assert reasons(context.built(dockerfile))[1:] == [SAME] * 3
    assert context.config()["RootFS"] == before
    again = reasons(context.built(dockerfile, "--no-cache"))[1:]
    assert again == ["DONE (--no-cache)"] * 3
    assert context.config()["RootFS"]["Layers"][1] != before["Layers"][1]


def test_each_reason_names_what_has_changed(context: Context) -> None:
    context.write("d/f", "one")
    dockerfile = "FROM alpine\nARG who=a\nENV x=1\nRUN : $who\nCOPY d /d\nRUN true\n"
    context.built(dockerfile)
    context.write("d/f", "two")
    assert reasons(context.built(dockerfile))[1:] == [
        SAME, "DONE (f is changed)", "DONE (a step before it is another)",
    ]  # fmt: skip
    context.write("d/g")
    assert reasons(context.built(dockerfile))[2] == "DONE (g is new)"
    (context.path / "d/f").chmod(0o700)
    assert reasons(context.built(dockerfile))[2] == "DONE (f is changed)"
    assert reasons(context.built(dockerfile, "--build-arg", "who=b"))[1:] == [
        "DONE (the variable who is another: 'a' was now 'b')", "DONE (a step before it is another)",
        "DONE (the variable who is another: 'a' was now 'b')",
    ]  # fmt: skip
    context.built(dockerfile)
    changed = dockerfile.replace(": $who", "echo $who")
    assert reasons(context.built(changed))[1] == "DONE (the line is new or was changed (it was: RUN : $who))"


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
