"""Which order of a stage's lines would have had more of them in the cache (book 3.4.3.4).

A simulation, with the seconds that the lines have really taken: a line whose own files, variables or text changed has
to be done again, and all that stands below it. What does not need it could stand above it. Where a command needs only
some files of a copy, and those have not changed, these can be copied first.

Moved are only lines of which `needs.py` is sure; RUN lines keep their order among themselves.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence

from minidock.build import needs
from minidock.build.account import Step
from minidock.image.dockerfile.instructions import Instruction
from minidock.named_tuple import NamedTuple

_WORTH = 0.05  # seconds; less is not worth a word


class Line(NamedTuple):
    """One line of a stage in an order. `number` 0: a line that is not in the Dockerfile yet."""

    text: str
    number: int
    seconds: float


class Order(NamedTuple):
    """`cause`: the line that changes; `lines`: the stage's lines, rearranged; `now` and `then`: the seconds of what is
    done again in the present order and in this one; `added`: the line that copies a few files first, or "".
    """

    cause: Line
    lines: list[Line]
    now: float
    then: float
    added: str


def best(instructions: Sequence[Instruction], steps: Sequence[Step]) -> list[Order]:
    """The orders that would have saved time of this build, the one that saves most first."""
    return _orders(instructions, steps, [step for step in steps if _is_cause(step)])


def forecast(instructions: Sequence[Instruction], steps: Sequence[Step]) -> list[Order]:
    """The same for the next build, should a file of the context be another then; each copy of it is tried."""
    copies = [step for step in steps if step.name in ("ADD", "COPY") and "--from" not in step.text]
    return _orders(instructions, steps, copies)


def _orders(instructions: Sequence[Instruction], steps: Sequence[Step], causes: Sequence[Step]) -> list[Order]:
    found = [order for cause in causes if (order := _without(instructions, steps, cause))]
    return sorted(found, key=lambda order: order.then - order.now)


def _is_cause(step: Step) -> bool:
    """Whether the line itself had changed, and not only what stands above it."""
    return not step.cached and bool(step.reason.values) and step.reason.key not in ("after", "after trigger", "image")


def _without(instructions: Sequence[Instruction], steps: Sequence[Step], cause: Step) -> Order | None:
    """The stage's lines with `cause` below all that does not need it."""
    by_line = {step.line: step for step in steps}
    moved = _moved(instructions, cause)
    position = next((n for n, each in enumerate(instructions) if each.line == moved), None)
    if position is None:
        return None
    above = [_line(each, by_line) for each in instructions[:position]]
    held = [instructions[position]]
    added, raised = "", []
    for each in instructions[position + 1 :]:
        step = by_line.get(each.line)
        verdict = _stays(each, step, held, by_line, cause)
        if verdict is None:
            held.append(each)
            continue
        if verdict and not added:
            added = verdict
            raised.append(Line(added, 0, 0.0))
        raised.append(_line(each, by_line))
    while raised and raised[-1].number and raised[-1].number not in by_line:  # nothing below it gains by it
        last = raised.pop().number
        held.append(next(each for each in instructions if each.line == last))
    held.sort(key=lambda each: each.line)
    lines = [*above, *raised, *(_line(each, by_line) for each in held)]
    now = sum(by_line[each.line].seconds for each in instructions[position:] if each.line in by_line)
    then = sum(by_line[each.line].seconds for each in held if each.line in by_line)
    origin = _line(instructions[position], by_line)
    return Order(origin, lines, now, then, added) if now - then >= _WORTH and _is_another(lines) else None


def _is_another(lines: Sequence[Line]) -> bool:
    numbers = [line.number for line in lines]
    return 0 in numbers or numbers != sorted(numbers)


def _line(instruction: Instruction, by_line: dict[int, Step]) -> Line:
    step = by_line.get(instruction.line)
    return Line(" ".join(instruction.text.split()), instruction.line, step.seconds if step else 0.0)


def _moved(instructions: Sequence[Instruction], cause: Step) -> int:
    """The line to be moved: that of the ARG or ENV, where a command has changed by a variable."""
    name = str(cause.reason.values.get("name", ""))
    if cause.reason.key.startswith("variable") and name:
        for each in instructions:
            if each.name in ("ARG", "ENV") and name in [pair[0] for pair in each.pairs]:
                return each.line
    return cause.line


def _stays(
    each: Instruction, step: Step | None, held: Sequence[Instruction], by_line: dict[int, Step], cause: Step
) -> str | None:
    """Whether a line can go above all that is held back: "", or a COPY that it needs for that, or None if it cannot."""
    if step is None:  # it changes the configuration only, and takes no time
        return None if _uses_variable_of(each, held) else ""
    if _uses_variable_of(each, held) or step.name == "WORKDIR":
        return None if step.name != "WORKDIR" else ""
    if any(other.name == "RUN" for other in held):
        return None
    if step.name in ("ADD", "COPY"):
        return "" if not _overlaps(step, held, by_line) else None
    added = ""
    for other in held:
        copied = by_line.get(other.line)
        if copied is None or other.name not in ("ADD", "COPY"):
            continue
        files = copied.parts.get("files") or {}
        needed = needs.of_command(" ".join(each.args), files)
        if needed is None or needed & _changed(cause, other):
            return None
        if needed:
            if added or other.name != "COPY":
                return None
            added = _first(other, sorted(needed))
    return added


def _uses_variable_of(each: Instruction, held: Sequence[Instruction]) -> bool:
    names = [name for other in held if other.name in ("ARG", "ENV") for name, _ in other.pairs]
    return any(re.search(rf"\b{re.escape(name)}\b", each.text) for name in names)


def _changed(cause: Step, other: Instruction) -> set[str]:
    """The files, by their places, that changed this time; nothing is known of a change to come."""
    return set(cause.reason.values.get("places") or ()) if cause.line == other.line else set()


def _overlaps(step: Step, held: Sequence[Instruction], by_line: dict[int, Step]) -> bool:
    own = _written(step)
    for other in held:
        copied = by_line.get(other.line)
        written = _written(copied) if copied else {}
        if any(written[path] != digest for path, digest in own.items() if path in written):
            return True
    return False


def _written(step: Step) -> dict[str, str]:
    target, files = str(step.parts.get("target") or "/"), step.parts.get("files") or {}
    if not step.parts.get("into"):
        return dict.fromkeys([target], "".join(files.values()))
    return {posixpath.normpath(posixpath.join(target, place)): digest for place, digest in files.items()}


def _first(copy: Instruction, needed: Sequence[str]) -> str:
    """A COPY of a few files of what `copy` copies, to where they would come by it."""
    *sources, target = copy.args
    flags = "".join(f"--{name}={value} " for name, values in copy.flags.items() for value in values)
    prefix = sources[0].strip("/") if len(sources) == 1 and sources[0] not in (".", "./") else ""
    paths = [posixpath.join(prefix, place) if prefix and not prefix.endswith(place) else place for place in needed]
    return f"COPY {flags}{' '.join(paths)} {target.rstrip('/')}/"
