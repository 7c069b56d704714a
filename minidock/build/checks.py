"""Build checks: known mistakes in Dockerfiles, found without building (docs.docker.com/build/checks).

The rules are BuildKit's, with its names and words; each stands in `check_rules.py` or `check_stage_rules.py`. The
directive `# check=skip=RULE,RULE;error=true` at the top, or `# check=skip=RULE` right above an instruction, says which
count.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence

from minidock.build import check_rules, check_stage_rules, excerpt
from minidock.build.ignore import Patterns
from minidock.build.variables import Globals
from minidock.errors import MinidockError
from minidock.image.dockerfile.dockerfile_errors import DockerfileError
from minidock.image.dockerfile.instructions import Instruction
from minidock.image.dockerfile.stages import Dockerfile
from minidock.named_tuple import NamedTuple

_ADDRESS = "https://docs.docker.com/go/dockerfile/rule/{}/"
_EXPERIMENTAL = ("InvalidDefinitionDescription",)
_NO_PAGE = ("InvalidBaseImagePlatform",)


class Finding(NamedTuple):
    """`line` and `last`: the lines of the Dockerfile that `detail` is about."""

    rule: str
    detail: str
    line: int
    last: int

    @property
    def address(self) -> str:
        """The page about the rule; "" if there is none."""
        words = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=JSON)(?=A)", "-", self.rule).lower()
        return "" if self.rule in _NO_PAGE else _ADDRESS.format(words)


class Config(NamedTuple):
    """Which rules count. `skipped` and `experimental`: names, "all" for all of them."""

    skipped: frozenset[str] = frozenset()
    experimental: frozenset[str] = frozenset()
    is_error: bool = False

    def counts(self, rule: str) -> bool:
        """Whether a rule is to be obeyed. Those that are experimental are asked for, not skipped."""
        if rule in _EXPERIMENTAL:
            return bool({rule, "all"} & self.experimental)
        return not {rule, "all"} & self.skipped

    def merged(self, other: Config) -> Config:
        """Both, of which `other` stands above one instruction."""
        return Config(self.skipped | other.skipped, self.experimental | other.experimental, self.is_error)


class Base(NamedTuple):
    """What is known of a base image: the names of its variables, its platform, whether it has a SHELL."""

    names: frozenset[str]
    platform: str
    has_shell: bool


class Subject(NamedTuple):
    """What is checked. `base`: what is known of an image, None if it is not here; `numbers`: the stages that count."""

    file: Dockerfile
    outer: Globals
    numbers: Sequence[int]
    base: Callable[[str, str], Base | None]
    ignored: Patterns


def options(text: str, line: int = 1) -> Config:
    """The value of a `check` directive. Raises `DockerfileError` in docker's words."""
    found: dict[str, frozenset[str]] = {}
    is_error = False
    for part in filter(None, text.strip().split(";", 2)):
        name, equals, value = (word.strip() for word in part.partition("="))
        if not equals:
            raise DockerfileError(f'invalid check option "{part}"', line)
        if name in ("skip", "experimental"):
            found[name] = frozenset(word.strip() for word in value.split(","))
        elif name == "error":
            if value.lower() not in ("true", "false", "1", "0", "t", "f"):
                raise DockerfileError(f'failed to parse check option "{part}": invalid syntax', line)
            is_error = value.lower() in ("true", "1", "t")
        else:
            raise DockerfileError(f'invalid check option "{name}"', line)
    return Config(found.get("skip", frozenset()), found.get("experimental", frozenset()), is_error)


def find(subject: Subject, config: Config) -> list[Finding]:
    """All that the rules which count find, by line."""
    comments = _comments(subject.file)
    found: list[Finding] = []
    for row in [*check_rules.of_file(subject), *check_stage_rules.of_stages(subject)]:
        finding = Finding(*row)
        if _with_comments(config, comments.get(finding.line, ())).counts(finding.rule):
            found.append(finding)
    return sorted(found, key=lambda each: each.line)


def _comments(file: Dockerfile) -> Mapping[int, tuple[str, ...]]:
    every: list[Instruction] = [*file.arguments]
    for stage in file.stages:
        every += [stage.origin, *stage.instructions]
    return {each.line: each.comments for each in every}


def _with_comments(config: Config, comments: Iterable[str]) -> Config:
    for comment in comments:
        match = re.match(r"check\s*=\s*(\S+)", comment)
        if match:
            try:
                return config.merged(options(match[1]))
            except DockerfileError:  # it is a comment like any other
                return config
    return config


def base_in(root: str) -> Callable[[str, str], Base | None]:
    """Looks at the base images that are in the store; others are not fetched for this."""
    from minidock.image.store import Store

    def base(name: str, platform: str) -> Base | None:
        try:
            config = Store(root).resolve(name).config
        except MinidockError:
            return None
        own = config.get("config") or {}
        names = frozenset(row.partition("=")[0] for row in own.get("Env") or [])
        return Base(names, f"{config.get('os')}/{config.get('architecture')}", bool(own.get("Shell")))

    return base


class Checked:
    """The checks of one build. Raises `DockerfileError` for a directive that cannot be understood."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.config = options(subject.file.directives.get("check", ""))

    def found(self) -> list[Finding]:
        """What is found: more once the base images are here."""
        return find(self.subject, self.config)

    def tell(self) -> None:
        """After a build, on standard error."""
        for line in short(self.found()):
            print(line, file=sys.stderr)

    def whole(self, content: bytes, name: str) -> list[str]:
        """What --check tells. `content`: the Dockerfile, called `name`."""
        return whole(self.found(), content, name)

    def refuse(self) -> None:
        """Before a build: what is found ends it, if the directive says so. Raises `MinidockError`."""
        if self.config.is_error and (found := self.found()):
            self.tell()
            rules = ", ".join(sorted({each.rule for each in found}))
            raise MinidockError(f"lint violation found for rules: {rules}")


def short(found: Sequence[Finding]) -> list[str]:
    """What is told after a build."""
    if not found:
        return []
    several = "s" if len(found) > 1 else ""
    rows = [f" - {each.rule}: {each.detail}{f' (line {each.line})' if each.line else ''}" for each in found]
    return ["", f" {len(found)} warning{several} found (use --check to expand):", *rows]


def whole(found: Sequence[Finding], content: bytes, name: str) -> list[str]:
    """What --check tells, each finding with the lines that it is about."""
    if not found:
        return ["Check complete, no warnings found."]
    several = "s have" if len(found) > 1 else " has"
    rows = [f"Check complete, {len(found)} warning{several} been found!"]
    for each in found:
        address = f" - {each.address}" if each.address else ""
        rows += [
            "",
            f"WARNING: {each.rule}{address}",
            each.detail,
            *excerpt.marked(content, name, each.line, each.last),
        ]
    return rows
