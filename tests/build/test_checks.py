"""Build checks: each of BuildKit's rules, in its words, and what the directive makes of them."""

from __future__ import annotations

import pytest

from tests.build.conftest import Context

# rule: (a Dockerfile that breaks it, the line, what is said)
RULES = {
    "StageNameCasing": ("FROM alpine AS Base\n", 1, "Stage name 'Base' should be lowercase"),
    "FromAsCasing": ("FROM alpine as base\n", 1, "'as' and 'FROM' keywords' casing do not match"),
    "NoEmptyContinuation": ("FROM alpine\nRUN true \\\n\n  && true\n", 4, "Empty continuation line"),
    "ConsistentInstructionCasing": (
        "FROM alpine\nRun true\nRUN true\n", 2,
        "Command 'Run' should match the case of the command majority (uppercase)",
    ),
    "DuplicateStageName": (
        "FROM alpine AS a\nFROM alpine AS a\n", 2, 'Duplicate stage name "a", stage names should be unique',
    ),
    "ReservedStageName": (
        "FROM alpine AS context\n", 1, 'Stage name should not use the same name as reserved stage "context"',
    ),
    "JSONArgsRecommended": (
        "FROM alpine\nCMD echo\n", 2,
        "JSON arguments recommended for CMD to prevent unintended behavior related to OS signals",
    ),
    "MaintainerDeprecated": (
        "FROM alpine\nMAINTAINER me\n", 2, "Maintainer instruction is deprecated in favor of using label",
    ),
    "UndefinedArgInFrom": (
        "ARG VERSION=3\nFROM alpine${VERSOIN}\n", 2, "FROM argument 'VERSOIN' is not declared (did you mean VERSION?)",
    ),
    "WorkdirRelativePath": (
        "FROM alpine\nWORKDIR app\nWORKDIR lib\n", 2,
        'Relative workdir "app" can have unexpected results if the base image changes',
    ),
    "UndefinedVar": (
        "FROM alpine\nENV PATH=$PAHT:/app\n", 2, "Usage of undefined variable '$PAHT' (did you mean $PATH?)",
    ),
    "MultipleInstructionsDisallowed": (
        'FROM alpine\nCMD ["a"]\nCMD ["b"]\n', 2,
        "Multiple CMD instructions should not be used in the same stage because only the last one will be used",
    ),
    "LegacyKeyValueFormat": (
        "FROM alpine\nENV a b\n", 2, '"ENV key=value" should be used instead of legacy "ENV key value" format',
    ),
    "RedundantTargetPlatform": (
        "FROM --platform=$TARGETPLATFORM alpine\n", 1,
        "Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior",
    ),
    "SecretsUsedInArgOrEnv": (
        "FROM alpine\nARG API_TOKEN\nENV PUBLIC_KEY=1\n", 2,
        'Do not use ARG or ENV instructions for sensitive data (ARG "API_TOKEN")',
    ),
    "InvalidDefaultArgInFrom": (
        "ARG TAG\nFROM alpine:${TAG}\n", 2,
        "Default value for ARG alpine:${TAG} results in empty or invalid base image name",
    ),
    "FromPlatformFlagConstDisallowed": (
        "FROM --platform=linux/amd64 alpine\n", 1, 'FROM --platform flag should not use constant value "linux/amd64"',
    ),
    "CopyIgnoredFile": (
        "FROM alpine\nCOPY left/out /\n", 2, 'Attempting to Copy file "left/out" that is excluded by .dockerignore',
    ),
    "InvalidDefinitionDescription": (
        "# check=experimental=all\n# about something else\nFROM alpine AS base\n", 3,
        "Comment for FROM should follow the format: `# base <description>`",
    ),
    "ExposeProtoCasing": (
        "FROM alpine\nEXPOSE 80/TCP\n", 2, "Defined protocol '80/TCP' in EXPOSE instruction should be lowercase",
    ),
    "ExposeInvalidFormat": (
        "FROM alpine\nEXPOSE 127.0.0.1:80:80\n", 2,
        "EXPOSE instruction should not define an IP address or host-port mapping, found '127.0.0.1:80:80'",
    ),
    "InvalidBaseImagePlatform": (
        "ARG P=linux/arm64\nFROM --platform=$P alpine\n", 2,
        'Base image alpine was pulled with platform "linux/amd64", expected "linux/arm64" for current build',
    ),
}  # fmt: skip


@pytest.mark.parametrize("rule", RULES)
def test_a_rule(context: Context, rule: str) -> None:
    dockerfile, line, detail = RULES[rule]
    context.write(".dockerignore", "left\n")
    done = context.build(dockerfile, "--check")
    told = done.stdout.decode().splitlines()
    assert (done.returncode, done.stderr) == (1, b"")
    assert told[:2] == ["Check complete, 1 warning has been found!", ""]
    page = rule.replace("JSONArgs", "JsonArgs")
    words = "".join(f"-{c.lower()}" if c.isupper() else c for c in page).strip("-")
    address = "" if rule == "InvalidBaseImagePlatform" else f" - https://docs.docker.com/go/dockerfile/rule/{words}/"
    assert told[2:5] == [f"WARNING: {rule}{address}", detail, f"Dockerfile:{line}"]
    assert any(row.startswith(f"{line:4} | >>> ") for row in told[5:])
    assert context.minidock("image", "inspect", context.name).returncode == 1  # nothing was built


def test_a_build_tells_them_at_its_end(context: Context) -> None:
    dockerfile = "FROM alpine as base\nENV a b\n"
    told = context.built(dockerfile).splitlines()
    assert told[-3:] == [
        " 2 warnings found (use --check to expand):",
        " - FromAsCasing: 'as' and 'FROM' keywords' casing do not match (line 1)",
        ' - LegacyKeyValueFormat: "ENV key=value" should be used instead of legacy "ENV key value" format (line 2)',
    ]
    skipped = context.built(f"# check=skip=FromAsCasing\n{dockerfile}")
    assert "FromAsCasing" not in skipped
    assert "1 warning found" in skipped
    assert "warning" not in context.built(f"# check=skip=all\n{dockerfile}")
    above = context.built("FROM alpine\n# check=skip=LegacyKeyValueFormat\nENV a b\nENV c d\n")
    assert "(line 4)" in above
    assert "(line 3)" not in above
    failed = context.refused(f"# check=error=true\n{dockerfile}")
    assert failed == "failed to solve: lint violation found for rules: FromAsCasing, LegacyKeyValueFormat"
    assert 'invalid check option "bad"' in context.refused("# check=bad=1\nFROM alpine\n")


def test_nothing_is_wrong(context: Context) -> None:
    dockerfile = """\
ARG TAG=latest
FROM alpine:${TAG} AS one
ARG NAME
ENV HOME=/app VERSION=1
WORKDIR /app
COPY . $HOME/$NAME
RUN echo $HOSTNAME
FROM one
WORKDIR lib
SHELL ["/bin/sh", "-c"]
CMD echo
"""
    done = context.build(dockerfile, "--check")
    assert (done.returncode, done.stdout) == (0, b"Check complete, no warnings found.\n")
