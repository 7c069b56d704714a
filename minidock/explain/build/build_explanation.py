"""`build --explain`: what each line did and by which means of the kernel's and the engine's, what it needs to be in the
cache next time, and which order of the lines would have been faster (book, chapter 3, sections 4.1, 4.2 and 4.3.4).
"""

from __future__ import annotations

import os
import re
import textwrap
from collections.abc import Iterator, Sequence

from minidock.build import advice
from minidock.build.account import Account, Step
from minidock.build.advice import Order
from minidock.build.graph import Node
from minidock.build.reasons import in_words
from minidock.explain import format_values
from minidock.explain.build.build_texts import say
from minidock.image import layer_directories
from minidock.image.dockerfile.instructions import Instruction
from minidock.linux.directory_trees import tree_size

_WIDTH = 78
_INDENT = " " * 6


def tell(account: Account) -> Iterator[str]:
    """The explanation of a build, line by line."""
    yield ""
    yield f"{say('story')} ({say('story book')})"
    for number in sorted(account.nodes):
        node = account.nodes[number]
        yield ""
        yield say("stage", name=node.title)
        yield from _stage(account, node, account.steps(number))
    yield from _orders(account)


def _stage(account: Account, node: Node, steps: Sequence[Step]) -> Iterator[str]:
    by_line = {step.line: step for step in steps}
    above = node.stage.origin.line
    for instruction in (node.stage.origin, *node.stage.instructions):
        step = by_line.get(instruction.line)
        text = format_values.text(" ".join(instruction.text.split()))
        if step is None:
            if instruction.name != "FROM":
                yield _titled(instruction.line, text, "")
                yield from _wrapped(say(f"how {instruction.name if instruction.name in ('ARG', 'ENV') else 'config'}"))
            continue
        seconds = format_values.seconds(step.seconds)
        took = say("saved", seconds=seconds) if step.cached else say("took", seconds=seconds)
        yield _titled(instruction.line, text, "" if step.name == "FROM" else took)
        yield from _wrapped(f"{in_words(step.reason, say)}.")
        yield from _wrapped(_how(account.root, step, instruction))
        yield from _wrapped(say("next", what=_and(_conditions(step, instruction, above))))
        above = instruction.line


def _titled(line: int, text: str, took: str) -> str:
    room = _WIDTH - 6 - len(took) - 2
    shown = text if len(text) <= room else text[: room - 1] + "…"
    return f"{line:4}  {shown:{room}}  {took}".rstrip()


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT, break_on_hyphens=False)


def _how(root: str, step: Step, instruction: Instruction) -> str:
    layers = say("no layers") if not step.below else say("one layer") if step.below == 1 else say(
        "several layers", count=step.below
    )  # fmt: skip
    origin = instruction.flag("from")
    return say(
        f"how {step.name}",
        layers=layers,
        layer=step.layer.removeprefix("sha256:")[:12],
        content=_content(root, step.layer) if step.layer else "",
        origin=say("origin other", name=format_values.text(origin)) if origin else say("origin context"),
    )


def _content(root: str, diff_id: str) -> str:
    """How much is in a layer."""
    path = layer_directories.layer_path(root, diff_id)
    count = sum(len(files) for _, _, files in os.walk(path))
    from minidock.explain.translations import say as words

    files = words("file" if count == 1 else "files", count=format_values.number(count))
    return say("content", files=files, size=format_values.size(tree_size(path)))


def _conditions(step: Step, instruction: Instruction, above: int) -> list[str]:
    """What has to stay as it is."""
    if step.name == "FROM":
        return [say("next base", name=format_values.text(instruction.args[0]))]
    found = [say("next parent", line=above)]
    if step.name == "RUN":
        found.append(say("next text"))
    every: dict[str, str] = step.parts.get("files") or {}
    files = [place for place, digest in every.items() if not digest.startswith("04")] or list(every)
    if len(files) == 1:
        found.append(say("next file", file=format_values.text(files[0])))
    elif files:
        found.append(say("next files", count=format_values.number(len(files))))
    names = [*(step.parts.get("arguments") or {}), *_own_environment(step, instruction)]
    if names:
        found.append(say("next variable" if len(names) == 1 else "next variables", names=", ".join(names)))
    return found


def _own_environment(step: Step, instruction: Instruction) -> list[str]:
    """The variables set by ENV that a command names."""
    names = step.parts.get("environment") or {}
    return [name for name in names if re.search(rf"\b{re.escape(name)}\b", instruction.text)]


def _and(parts: Sequence[str]) -> str:
    return ", ".join(parts[:-1]) + (say("and") if len(parts) > 1 else "") + parts[-1]


def _orders(account: Account) -> Iterator[str]:
    yield ""
    yield say("order")
    told = False
    for number, node in sorted(account.nodes.items()):
        steps = account.steps(number)
        for key, find in (("order saved", advice.best), ("order next", advice.forecast)):
            orders = find(node.stage.instructions, steps)
            if orders:
                told = True
                yield from _order(node, key, orders[0])
                break
    if not told:
        yield from _wrapped(say("order good"))


def _order(node: Node, key: str, order: Order) -> Iterator[str]:
    cause = f"{_cut(order.cause.text, 40)} ({say('line', line=order.cause.number)})"
    now, then, saved = (format_values.seconds(each) for each in (order.now, order.then, order.now - order.then))
    yield from textwrap.wrap(
        say(key, stage=node.title, line=cause, now=now, then=then, saved=saved), _WIDTH, subsequent_indent=_INDENT
    )
    for line in order.lines:
        number = f"{line.number:4}" if line.number else "   +"
        seconds = format_values.seconds(line.seconds) if line.seconds >= 0.05 else ""
        room = _WIDTH - 6 - len(seconds) - 2
        yield f"{number}  {_cut(format_values.text(line.text), room):{room}}  {seconds}".rstrip()
    if order.added:
        yield from _wrapped(say("order added"))


def _cut(text: str, columns: int) -> str:
    return text if len(text) <= columns else text[: columns - 1] + "…"
