"""The line that says why a step was taken from the cache or was not: which file and line, which ARG, which step."""

from __future__ import annotations

import os
import re
from pathlib import Path

from tests.build.conftest import Context, reasons

SAME = "CACHED (nothing it depends on has changed)"
CHECKOUT = Path(__file__).parents[2]


def test_each_reason_names_what_has_changed(context: Context) -> None:
    context.write("d/f", "one\ntwo\nthree\n")
    dockerfile = "FROM alpine\nARG who=a\nENV x=1\nRUN : $who\nCOPY d /d\nRUN true\n"
    context.built(dockerfile)
    context.write("d/f", "one\n2\nthree\n")
    assert reasons(context.built(dockerfile))[1:] == [
        SAME, "DONE (d/f changed at line 2)", "DONE (COPY d /d (line 5): d/f changed at line 2)",
    ]  # fmt: skip
    context.write("d/f", "1\n2\n3\n")
    assert reasons(context.built(dockerfile))[2] == "DONE (d/f changed at lines 1 to 3)"
    context.write("d/g", b"\0binary")
    assert reasons(context.built(dockerfile))[2] == "DONE (d/g is new)"
    context.write("d/g", b"\0other")
    assert reasons(context.built(dockerfile))[2] == "DONE (d/g has changed)"
    (context.path / "d/f").chmod(0o700)
    assert reasons(context.built(dockerfile))[2] == "DONE (d/f has mode 0700, and had 0644)"
    (context.path / "d/f").unlink()
    os.symlink("g", context.path / "d/f")
    assert reasons(context.built(dockerfile))[2] == "DONE (d/f is a symbolic link, and was a file)"
    (context.path / "d/f").unlink()
    assert reasons(context.built(dockerfile))[2] == "DONE (d/f is gone)"


def test_a_variable_a_line_and_what_follows_it(context: Context) -> None:
    dockerfile = "FROM alpine\nARG who=a\nENV x=1\nRUN : $who\nCOPY Dockerfile /d\n"
    dockerfile += "ADD <<EOF /e\none\ntwo\nEOF\nRUN <<EOF\n: one\n: two\nEOF\n"
    context.built(dockerfile)
    told = reasons(context.built(dockerfile, "--build-arg", "who=b"))
    assert told[1] == "DONE (ARG who is 'b', and was 'a')"
    assert told[2] == "DONE (RUN : $who (line 4): ARG who is 'b', and was 'a')"
    assert reasons(context.built(dockerfile))[1:] == ["CACHED (it was built from the same once before)"] * 4
    assert reasons(context.built(dockerfile.replace("x=1", "x=2")))[1] == "DONE (ENV x is '2', and was '1')"
    context.built(dockerfile)
    changed = dockerfile.replace(": $who", "echo $who")
    assert reasons(context.built(changed))[1] == "DONE (the line has changed, it was: RUN : $who)"
    context.built(dockerfile)
    more = dockerfile.replace("RUN : $who", "RUN true\nRUN : $who")
    told = reasons(context.built(more))
    assert told[1:3] == ["DONE (the line is new)", "DONE (RUN true (line 4): the line is new)"]
    context.built(dockerfile)
    told = reasons(context.built(dockerfile.replace("RUN : $who\n", "")))
    assert told[1] == "DONE (Dockerfile changed at line 4)"
    context.built(dockerfile)
    (context.path / ".dockerignore").write_text("Dockerfile*\n")
    without = dockerfile.replace("COPY Dockerfile /d\n", "")
    context.built(without)
    assert reasons(context.built(without.replace("\ntwo\n", "\n2\n")))[2] == "DONE (<<EOF changed at line 2)"
    assert (
        reasons(context.built(without.replace(": two\n", ": 2\n")))[3] == "DONE (its here-document changed at line 2)"
    )
    swapped = "FROM alpine\nRUN : 1\nRUN : 2\n"
    context.built(swapped)
    told = reasons(context.built("FROM alpine\nRUN : 2\nRUN : 1\n"))
    assert told[1] == "DONE (it follows FROM alpine, and followed RUN : 1)"


def test_the_base_image_and_another_stage(context: Context) -> None:
    base = f"{context.name}-base"
    for content in ("one", "two"):
        context.write("base/Dockerfile", f"FROM alpine\nRUN echo {content} > /content\n")
        assert context.minidock("build", "-t", base, str(context.path / "base")).returncode == 0
        dockerfile = f"FROM {base} AS made\nRUN cp /content /made\nFROM scratch\nCOPY --from=made /made /made\n"
        told = reasons(context.built(dockerfile))
    assert re.fullmatch(r"DONE \(it is [0-9a-f]{12} now, and was [0-9a-f]{12}\)", told[0])
    assert told[1] == f"DONE (FROM {base} AS made (line 1): {told[0][6:-1]})"
    assert told[2] == "DONE (made:/made changed at line 1)"
    context.minidock("rmi", "-f", base)


def test_what_came_to_no_end_last_time(context: Context) -> None:
    context.write("f", "one")
    dockerfile = "FROM alpine\nRUN true\nCOPY f /f\nRUN grep two /f\n"
    context.refused(dockerfile)
    assert reasons(context.build(dockerfile).stderr.decode())[1:] == [SAME, SAME]
    context.write("f", "two")
    told = reasons(context.built(dockerfile))
    assert told[1:] == [SAME, "DONE (f changed at line 1)", "DONE (it did not come to its end last time)"]


def test_the_same_name_built_in_another_directory(context: Context, tmp_path: Path) -> None:
    """As a CI does, whose checkouts come and go."""
    for number in (1, 2):
        place = tmp_path / f"checkout{number}"
        place.mkdir()
        (place / "Dockerfile").write_text("FROM alpine\nCOPY f /f\n")
        (place / "f").write_text(f"one\n{number}\n")
        done = context.minidock("build", "-t", f"{context.name}:{number}", str(place))
    assert reasons(done.stderr.decode())[1] == "DONE (f changed at line 2)"
    context.minidock("rmi", "-f", f"{context.name}:1", f"{context.name}:2")


def test_in_french(context: Context) -> None:
    context.write("f", "un\n")
    dockerfile = "FROM alpine\nCOPY f /f\n"
    context.built(dockerfile)
    context.write("f", "deux\n")
    told = context.built(dockerfile, env={"LC_ALL": "fr_FR.UTF-8"})
    assert reasons(told)[1] == "DONE (f a changé à la ligne 1)"


def test_every_reason_has_its_text() -> None:
    from minidock.explain.build.build_texts import TEXTS

    source = "".join(path.read_text() for path in sorted((CHECKOUT / "minidock/build").glob("*.py")))
    keys = set(re.findall(r'Reason\(\s*"([^"]+)"', source))
    assert keys >= {"file lines", "after", "base"}
    assert keys <= TEXTS.keys()
    for english, french in TEXTS.values():
        assert sorted(re.findall(r"{\w+}", english)) == sorted(re.findall(r"{\w+}", french))
