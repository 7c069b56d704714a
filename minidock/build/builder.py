"""One stage, built line by line, in a process of its own (`scheduler.py`)."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

from minidock.build import sources
from minidock.build.cache import Last, Line
from minidock.build.graph import SCRATCH, Node
from minidock.build.reasons import NO_CACHE, NO_FILES, Files, Reason
from minidock.build.request import Surroundings
from minidock.build.sources import Sources
from minidock.build.stage import INSTRUCTIONS, Stage, from_scratch
from minidock.build.variables import Globals
from minidock.engine.monitor import spawn
from minidock.engine.state_paths import Paths
from minidock.errors import MinidockError
from minidock.image import layer_cache
from minidock.image.created_time import now
from minidock.image.dockerfile import stages
from minidock.image.dockerfile.dockerfile_errors import DockerfileError, StepError
from minidock.image.dockerfile.instructions import Instruction
from minidock.image.layer_cache import Cached, Layer, Parts
from minidock.image.media_types import LAYER_TYPE
from minidock.image.store_writer import Ingest
from minidock.named_tuple import NamedTuple

if TYPE_CHECKING:
    from minidock.build.cache_exchange import Imported
    from minidock.build.contexts import Named
    from minidock.build.failure_shell import Streams

Report = Callable[..., None]


class Asked(NamedTuple):
    """What `build` was asked, as far as a stage has to know it.

    `context`: a directory, None for a build without one; `ignored`: its patterns; `contexts`: --build-context, by name;
    `names`: what tells this build from others (`cache.py`); `epoch`: SOURCE_DATE_EPOCH; `secrets`: id to content;
    `ssh`: id to the path of an agent's socket; `imported`: the caches of --cache-from, None if there are none;
    `streams`: the command's own, for a shell where a RUN fails, or None.
    """

    paths: Paths
    context: str | None
    ignored: list[str]
    contexts: dict[str, Named]
    names: list[str]
    no_cache: bool
    no_cache_stages: list[str]
    pull: bool
    epoch: int | None
    surroundings: Surroundings
    secrets: dict[str, bytes]
    ssh: dict[str, str]
    imported: Imported | None
    streams: Streams | None


class Builder:
    """Builds the stage of `node`. `done`: the stages that it needs; `report(kind, ...)` tells how it goes."""

    def __init__(
        self, asked: Asked, node: Node, outer: Globals, done: Mapping[int, Stage], ingest: Ingest, report: Report
    ) -> None:
        self.asked = asked
        self.root = asked.paths.root
        self.node = node
        self.outer = outer
        self.done = done
        self.ingest = ingest
        self.report = report
        texts = [node.stage.origin.text, *(each.text for each in node.stage.instructions)]
        self.last = Last(self.root, [f"{name}\0{node.title}" for name in asked.names], texts)
        self.sources = Sources(asked, node, done, ingest, report)
        self.uses_cache = not (asked.no_cache or node.title in asked.no_cache_stages)
        self.unsteady: list[str] = []  # files that have changed while a step has read them
        self.position = 0
        self.total = sum(instruction.name in _STEPS for instruction in node.stage.instructions)
        self.total += isinstance(node.base, str) and node.base != SCRATCH

    def build(self) -> Stage:
        """All lines of the stage. Raises `MinidockError` with the line that failed."""
        with closing(self.sources), ExitStack() as kept:
            stage = self._begin()
            triggers = self._triggers(stage)
            self.total += len(triggers)
            kept.callback(self.last.keep)  # also what was done of a stage that fails
            for instruction in [*triggers, *self.node.stage.instructions]:
                try:
                    self._step(stage, instruction)
                except DockerfileError as error:
                    line = error.line or instruction.line
                    message = f"dockerfile parse error on line {line}: {error.reason}"
                    raise StepError(message, line, instruction.last) from None
                except MinidockError as error:
                    message = f"line {instruction.line}: {_short(instruction.text)}: {error}"
                    raise StepError(message, instruction.line, instruction.last) from error
            return stage

    def _begin(self) -> Stage:
        base = self.node.base
        if isinstance(base, int):
            return self.done[base].derived(self.outer)
        if base == SCRATCH:
            return from_scratch(self.outer)
        self._tell(f"FROM {base}", self.node.stage.origin)
        named = self.asked.contexts.get(base)
        if named and named.directory:
            from minidock.build import copy_step

            stage = from_scratch(self.outer)
            tree = sources.of_directory(named.directory, named.ignored, f"the context {base}")
            cached, reason = copy_step.whole(self, stage, self.sources.keep(tree), self.node.stage.origin)
            self._end(stage, cached=cached, reason=reason)
            return stage
        platform = self.node.platform
        wanted = "" if platform == self.outer.predefined["BUILDPLATFORM"] else platform
        image = self.sources.image(named.image if named else base, wanted)
        layers = [
            Layer(diff_id, blob["digest"], blob["size"], blob.get("mediaType", LAYER_TYPE))
            for diff_id, blob in zip(image.layers, image.manifest["layers"], strict=True)
        ]
        for layer in layers:
            self.ingest.has_blob(layer.digest)  # and keeps them from being removed meanwhile
            self.ingest.has_layer(layer.diff_id)
        stage = Stage(image.config, layers, self.outer, layer_cache.key_of({"from": image.layers}))
        short_id = image.id.removeprefix("sha256:")[:12]
        origin = self.node.stage.origin
        stage.cause = self.last.base(origin.text, origin.line, stage.key, short_id)
        self._end(stage, cached=False, reason=stage.cause.why if stage.cause else Reason("image", {"id": short_id}))
        return stage

    def _tell(self, title: str, instruction: Instruction) -> None:
        """Say that a step begins, with its number in its stage as docker counts: what makes layers, and FROM."""
        self.position += 1
        width = len(str(self.total))
        title = f"[{self.node.title} {self.position:{width}}/{self.total}] {title}"
        self.report("begin", title=title, name=instruction.name, text=instruction.text, line=instruction.line)

    def _end(self, stage: Stage, *, cached: bool, reason: Reason) -> None:
        layers = [layer.diff_id for layer in stage.layers]
        self.report("end", cached=cached, reason=reason, key=stage.key, layers=layers)

    def _triggers(self, stage: Stage) -> list[Instruction]:
        """What the base image's ONBUILD asks for; it is no part of what is made from this image in turn."""
        return stages.triggers(stage.config.pop("OnBuild", None) or [])

    def _step(self, stage: Stage, instruction: Instruction) -> None:
        step = _STEPS.get(instruction.name)
        if step is None:
            stage.note(INSTRUCTIONS[instruction.name](stage, instruction), stage.created, empty=True)
            return
        self._tell(_short(instruction.text), instruction)
        cached, reason = step(self, stage, instruction)
        self._end(stage, cached=cached, reason=reason)

    def has_run_after(self, instruction: Instruction) -> bool:
        """Whether a RUN of the stage comes after this line: once a line is not in the cache, none of them is."""
        lines = self.node.stage.instructions
        return any(each.name == "RUN" and each.line > instruction.line for each in lines)

    def layered(
        self,
        stage: Stage,
        instruction: Instruction,
        text: str,
        parts: Parts,
        make: Callable[[], Layer],
        files: Files = NO_FILES,
    ) -> tuple[bool, Reason]:
        """Take a layer from the cache, or make it; (whether it was there, why it was or was not)."""
        parts = {"parent": stage.key, **parts}
        key = layer_cache.key_of(parts)
        known = layer_cache.get(self.root, key) if self.uses_cache else None
        if known and known.layer:
            hit = self.ingest.has_blob(known.layer.digest) and self.ingest.has_layer(known.layer.diff_id)
            known = known if hit else None
        known, origin = (known, "") if known else self._imported(key)
        line = Line(instruction.text, instruction.line, parts, files)
        reason, stage.cause = self.last.reason(line, key, stage.cause, hit=known is not None)
        if origin:
            reason = Reason("imported", {"origin": origin})
        if not self.uses_cache:
            reason = NO_CACHE
        if known and known.layer:
            cached = known._replace(parts=parts, used=now())
        else:
            began, created = time.monotonic(), now()
            if instruction.name != "RUN" and self.has_run_after(instruction) and not spawn.is_waiting():
                spawn.start_early(bridged=True)
            layer = make()
            key = self._doubted(key)
            seconds = round(time.monotonic() - began, 3)
            cached = Cached(key, parts, layer, created, created, seconds, instruction.text)
        assert cached.layer
        stage.layers.append(cached.layer)
        self.last.made(cached.layer.diff_id)
        stage.steps.append(cached._replace(parts={}))
        stage.note(text, cached.created, empty=False)
        if known and not origin:
            layer_cache.touch(self.root, key)
        else:
            layer_cache.put(self.root, cached)
        stage.key = key
        return known is not None, reason

    def _doubted(self, key: str) -> str:
        """The key of a step; another, that no step will ever have, where what it has read changed meanwhile."""
        if not self.unsteady:
            return key
        more = f" and {len(self.unsteady) - 1} more" if len(self.unsteady) > 1 else ""
        self.report("line", text=f"WARNING: {self.unsteady[0]}{more} changed while it was read: not for the cache")
        self.unsteady.clear()
        return layer_cache.key_of({"step": key, "once": os.urandom(16).hex()})

    def _imported(self, key: str) -> tuple[Cached | None, str]:
        """(The step with this key of a cache from elsewhere, from where), its layer fetched."""
        imported = self.asked.imported if self.uses_cache else None
        known = imported.get(key) if imported else None
        if imported is None or known is None:
            return None, ""
        try:
            return known, imported.fetch(self.ingest, key)
        except MinidockError as error:
            self.report("line", text=f"WARNING: {error}")
            return None, ""


def _copy(builder: Builder, stage: Stage, instruction: Instruction) -> tuple[bool, Reason]:
    from minidock.build import copy_step

    return copy_step.step(builder, stage, instruction)


def _run(builder: Builder, stage: Stage, instruction: Instruction) -> tuple[bool, Reason]:
    from minidock.build import run_step

    return run_step.step(builder, stage, instruction)


def _working_directory(builder: Builder, stage: Stage, instruction: Instruction) -> tuple[bool, Reason]:
    from minidock.build import copy_step

    return copy_step.working_directory(builder, stage, instruction)


# What makes a layer is a step; all else changes the configuration only. Each imports what it needs when it is needed.
_STEPS: dict[str, Callable[[Builder, Stage, Instruction], tuple[bool, Reason]]] = {
    "ADD": _copy,
    "COPY": _copy,
    "RUN": _run,
    "WORKDIR": _working_directory,
}


def _short(text: str) -> str:
    return " ".join(text.split())[:200]
