"""The stages as a graph: what each one needs of others, and so which are built at all, and which at the same time.

Reference, "FROM", "COPY --from", "RUN --mount"; a stage that the target does not need is not built.
"""

from __future__ import annotations

from collections.abc import Mapping

from minidock.build.variables import Globals
from minidock.errors import NotFoundError
from minidock.image.dockerfile.dockerfile_errors import DockerfileError
from minidock.image.dockerfile.instructions import Instruction
from minidock.image.dockerfile.stages import Dockerfile, Stage
from minidock.image.dockerfile.suggestions import did_you_mean
from minidock.named_tuple import NamedTuple

SCRATCH = "scratch"


class Node(NamedTuple):
    """A stage. `base`: another stage's number, or a name: an image's, a named context's, "scratch".

    `sources`: for each name in COPY --from and RUN --mount=from, the same. `needs`: the numbers among these.
    """

    number: int
    stage: Stage
    base: int | str
    platform: str
    sources: dict[str, int | str]

    @property
    def needs(self) -> set[int]:
        return {each for each in (self.base, *self.sources.values()) if isinstance(each, int)}

    @property
    def title(self) -> str:
        """What progress calls it."""
        return self.stage.name or f"stage-{self.number}"


class Graph(NamedTuple):
    """`nodes`: those that `target` needs, by number."""

    nodes: dict[int, Node]
    target: int


def make(file: Dockerfile, outer: Globals, target: str, contexts: Mapping[str, str]) -> Graph:
    """The graph for `target`, a stage's name or number, "" the last. Raises `DockerfileError`, `NotFoundError`."""
    names: dict[str, int] = {}
    everywhere = {stage.name: number for number, stage in enumerate(file.stages) if stage.name}
    nodes: list[Node] = []
    for number, stage in enumerate(file.stages):
        base = _base(stage, outer, names, contexts)
        known = {**everywhere, **names}
        sources = {name: _source(name, known, len(file.stages), contexts, line) for name, line in _named(stage).items()}
        platform = _platform(stage, outer)
        nodes.append(Node(number, stage, base, platform, sources))
        if stage.name:
            names[stage.name] = number
    _refuse_cycles(nodes)
    wanted = _target(target, names, len(nodes))
    needed: set[int] = set()
    pending = [wanted]
    while pending:
        number = pending.pop()
        if number not in needed:
            needed.add(number)
            pending += nodes[number].needs
    return Graph({number: nodes[number] for number in sorted(needed)}, wanted)


def _refuse_cycles(nodes: list[Node]) -> None:
    """A stage may name one that comes later, but none that waits for it. Raises `DockerfileError`."""
    done: set[int] = set()
    while ready := [node for node in nodes if node.number not in done and node.needs <= done]:
        done |= {node.number for node in ready}
    for node in nodes:
        if node.number not in done:
            raise DockerfileError(f"circular dependency detected on stage: {node.title}", node.stage.origin.line)


def _base(stage: Stage, outer: Globals, names: dict[str, int], contexts: Mapping[str, str]) -> int | str:
    try:
        base = outer.expansion().word(stage.base)
    except DockerfileError as error:
        raise DockerfileError(error.reason, stage.origin.line) from None
    if not base:
        raise DockerfileError(f"base name ({stage.base}) should not be blank", stage.origin.line)
    if base in contexts:
        return base
    return names.get(base.lower(), base)


def _platform(stage: Stage, outer: Globals) -> str:
    return outer.expansion().word(stage.platform) or outer.predefined["TARGETPLATFORM"]


def _named(stage: Stage) -> dict[str, int]:
    """The names of --from in a stage, with the line of each."""
    found: dict[str, int] = {}
    for instruction in stage.instructions:
        for name in _names_in(instruction):
            found.setdefault(name, instruction.line)
    return found


def _names_in(instruction: Instruction) -> list[str]:
    if instruction.name == "COPY" and (name := instruction.flag("from")):
        return [name]
    if instruction.name == "RUN" and "mount" in instruction.flags:
        from minidock.build import run_mount_flag

        return [name for text in instruction.flags["mount"] if (name := run_mount_flag.source_of(text))]
    return []


def _source(name: str, names: dict[str, int], count: int, contexts: Mapping[str, str], line: int) -> int | str:
    if name in contexts:
        return name
    if name.lower() in names:
        return names[name.lower()]
    if name.isdigit():
        if int(name) >= count:
            raise DockerfileError(f"invalid stage index {name}: there are {count} stages", line)
        return int(name)
    return name


def _target(target: str, names: dict[str, int], count: int) -> int:
    if not target:
        return count - 1
    if target.lower() in names:
        return names[target.lower()]
    if target.isdigit() and int(target) < count:
        return int(target)
    raise NotFoundError(f'target stage "{target}" could not be found{did_you_mean(target, names)}')
