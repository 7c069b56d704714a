"""The Dockerfile language: lines, words, variables, instructions and stages, by the reference's own rules."""

from __future__ import annotations

import pytest

from minidock.build.ignore import Patterns, parse
from minidock.build.variables import Globals, Scope
from minidock.image.dockerfile import lines, stages
from minidock.image.dockerfile.dockerfile_errors import DockerfileError
from minidock.image.dockerfile.expand import Expansion

VALUES = {"name": "value", "empty": "", "path": "/usr/local/lib.so.1", "spaced": "a  b"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$name", "value"),
        ("${name}s", "values"),
        ("$nothing!", "!"),
        (r"\$name", "$name"),
        ("'$name'", "$name"),
        ('"$name"', "value"),
        (r'"\$name\n"', r"$name\n"),
        ("$", "$"),
        ("${nothing:-other}", "other"),
        ("${empty:-other}", "other"),
        ("${empty-other}", ""),
        ("${name:+set}", "set"),
        ("${empty:+set}", ""),
        ("${empty+set}", "set"),
        ("${nothing:-${name}}", "value"),
        ("${nothing-'a}b'}", "a}b"),
        ("${path#*/}", "usr/local/lib.so.1"),
        ("${path##*/}", "lib.so.1"),
        ("${path%.*}", "/usr/local/lib.so"),
        ("${path%%.*}", "/usr/local/lib"),
        ("${path/local/share}", "/usr/share/lib.so.1"),
        ("${path//\\//:}", ":usr:local:lib.so.1"),
        ("$1a", "a"),
    ],
)
def test_a_variable(text: str, expected: str) -> None:
    assert Expansion(VALUES).word(text) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("${name", "unsupported modifier () in substitution"),
        ("${}", "bad substitution"),
        ("${nothing:?}", "nothing: is not allowed to be unset"),
        ("${empty:?it is needed}", "empty: it is needed"),
        ("${name=x}", "unsupported modifier (=) in substitution"),
        ("${name:#x}", "unsupported modifier (:#) in substitution"),
        ("${name:-x", "missing '}'"),
        ('"$name', "matching double-quote"),
        ("'x", "matching single-quote"),
    ],
)
def test_a_variable_that_is_wrong(text: str, why: str) -> None:
    with pytest.raises(DockerfileError) as failure:
        Expansion(VALUES).word(text)
    assert why in str(failure.value)


def test_a_value_with_spaces_is_several_words_unless_quoted() -> None:
    assert Expansion(VALUES).words('x$spaced "$spaced"') == ["xa", "b", "a  b"]


def test_what_is_not_set_can_stay_for_a_shell() -> None:
    assert Expansion(VALUES, keep_unset=True).word("$name $other ${more:-x}") == "value $other ${more:-x}"


def test_continued_lines_comments_and_heredocs() -> None:
    text = """# syntax=docker/dockerfile:1
# escape=`
FROM x
# said of the next
RUN a `
  # in between
  && b

COPY <<one <<-"two" /d/
1 $x
one
\t2 $x
\ttwo
"""
    source = lines.split(text)
    assert source.directives == {"syntax": "docker/dockerfile:1", "escape": "`"}
    assert [(line.text, line.first, line.last) for line in source.lines] == [
        ("FROM x", 3, 3),
        ("RUN a   && b", 5, 7),
        ('COPY <<one <<-"two" /d/', 9, 13),
    ]
    assert source.lines[1].comments == ("said of the next",)
    one, two = source.lines[2].heredocs
    assert (one.name, one.expand, one.text) == ("one", True, "1 $x\n")
    assert (two.name, two.expand, two.text) == ("two", False, "2 $x\n")


def test_an_empty_line_in_a_continued_one_is_warned_of() -> None:
    assert lines.split("FROM x\nRUN a \\\n\n  b\n").warnings == ((4, "Empty continuation line found in: RUN a   b"),)


def test_bytes_that_are_no_text_a_mark_of_order_and_carriage_returns() -> None:
    found = stages.parse(b"\xef\xbb\xbfFROM x\r\nCOPY caf\xe9 \\\r\n /d/\r\n").stages[0]
    assert found.base == "x"
    assert found.instructions[0].args == ("caf\udce9", "/d/")


def test_instructions_by_their_forms() -> None:
    text = """ARG version=1
FROM --platform=linux/amd64 base:$version AS One
RUN ["a", "b c"]
RUN --mount=type=cache,target=/c --mount=type=tmpfs,target=/t --network=none a "b c"
ENV a=1 b="2 3" c=x\\ y
ENV old  the rest
COPY --from=two --chown=1:2 --link ["a b", "/c d/"]
HEALTHCHECK --interval=5s CMD ["check"]
ONBUILD RUN x
"""
    found = stages.parse(text.encode())
    (stage,) = found.stages
    assert (stage.base, stage.name, stage.platform) == ("base:$version", "one", "linux/amd64")
    assert found.arguments[0].pairs == (("version", "1"),)
    first, second, env, old, copy, health, onbuild = stage.instructions
    assert (first.is_json, first.args) == (True, ("a", "b c"))
    assert (second.is_json, second.args) == (False, ('a "b c"',))
    assert second.flags == {"mount": ["type=cache,target=/c", "type=tmpfs,target=/t"], "network": ["none"]}
    assert env.pairs == (("a", "1"), ("b", '"2 3"'), ("c", "x\\ y"))
    assert old.pairs == (("old", "the rest"),)
    assert (copy.args, copy.flag("from"), copy.is_set("link")) == (("a b", "/c d/"), "two", True)
    assert (health.args, health.flag("interval")) == (("CMD", "check"), "5s")
    assert onbuild.args == ("RUN x",)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "file with no instructions"),
        ("# only\n", "file with no instructions"),
        ("RUN x", "line 1: no build stage in current context"),
        ("ARG x", "no build stage in current context"),
        ("FROM x\nCOPPY a b", "line 2: unknown instruction: COPPY (did you mean COPY?)"),
        ("FROM x\nCOPY --form=y a b", "line 2: unknown flag: --form (did you mean from?)"),
        ("FROM x\nCOPY --from=y --from=z a b", "duplicate flag specified: --from"),
        ("FROM x\nCOPY --from a b", "missing a value on flag: --from"),
        ("FROM x\nCOPY --link=maybe a b", "expecting boolean value for flag --link, not: maybe"),
        ("FROM x\nCOPY a", "COPY requires at least two arguments"),
        ("FROM x\nCOPY a <<b\nb", "COPY cannot accept a heredoc as a destination"),
        ("FROM x y", "FROM requires either one or three arguments"),
        ("FROM x AS 1st", "invalid name for build stage"),
        ("FROM x\nENV a", "ENV must have two arguments"),
        ("FROM x\nENV a=1 b", 'can\'t find = in "b"'),
        ("FROM x\nSHELL sh", "SHELL requires the arguments to be in JSON form"),
        ('FROM x\nCMD ["a", 1]', "arrays must be comprised of strings only"),
        ("FROM x\nHEALTHCHECK CMD", "Missing command after HEALTHCHECK CMD"),
        ("FROM x\nHEALTHCHECK TCP x", 'Unknown type "TCP" in HEALTHCHECK (try CMD)'),
        ("FROM x\nONBUILD FROM y", "FROM isn't allowed as an ONBUILD trigger"),
        ("FROM x\nRUN <<end\na\n", "line 2: unterminated heredoc"),
        ("# escape=x\nFROM y", "invalid escape token 'x'"),
        ("# escape=\\\n# escape=`\nFROM y", "only one escape parser directive can be used"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text: str, why: str) -> None:
    with pytest.raises(DockerfileError) as failure:
        stages.parse(text.encode())
    assert why in str(failure.value)
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize(
    ("patterns", "excluded", "kept"),
    [
        (["*.md", "!README.md"], ["a.md"], ["README.md", "d/a.md"]),
        (["**/*.md"], ["a.md", "d/e/a.md"], ["a.txt"]),
        (["docs", "!docs/x"], ["docs", "docs/a"], ["docs/x"]),
        (["/a/b/"], ["a/b", "a/b/c"], ["b", "c/a/b"]),
        (["a[b-d]e", "x?"], ["ace", "xy"], ["aze", "x/y", "xyz"]),
        (["*", "!src/**"], ["a", ".git"], ["src/a", "src/b/c"]),
    ],
)
def test_ignored_files(patterns: list[str], excluded: list[str], kept: list[str]) -> None:
    rules = Patterns(patterns)
    assert [path for path in [*excluded, *kept] if rules.excludes(path)] == excluded


def test_a_dockerignore_file() -> None:
    assert parse("# a comment\n\n  a \n!b\n") == ["a", "!b"]


def test_arguments_before_from_in_a_stage_and_env() -> None:
    found = stages.parse(
        b"ARG version=1\nARG name=x-$version\nFROM x\nARG version\nARG other=o-${version}\nARG TARGETARCH\n"
    )
    outer = Globals(found.arguments, {"version": "2"}, "linux/amd64", "", found.escape)
    assert outer.expansion().word("$name $TARGETPLATFORM") == "x-2 linux/amd64"
    scope = Scope(outer, {"other": "from the image"})
    assert scope.expansion().word("[$version]") == "[]"  # not before it is named again
    for instruction in found.stages[0].instructions:
        scope.declare(instruction)
    assert scope.expansion().word("$version $other $TARGETARCH") == "2 from the image amd64"
    assert scope.environment() == {"version": "2", "TARGETARCH": "amd64"}
