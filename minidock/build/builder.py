"""One stage, built line by line, in a process of its own (`scheduler.py`)."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any, NamedTuple

from minidock.build import add, mounts, run, sources
from minidock.build import copy as copying
from minidock.build.cache import Last, Line
from minidock.build.copy import Request
from minidock.build.graph import SCRATCH, Node
from minidock.build.ignore import Patterns
from minidock.build.reasons import NO_CACHE, Reason
from minidock.build.reasons_of_files import NO_FILES, Files
from minidock.build.run import Surroundings, layer_paths
from minidock.build.run_mounts import SCRIPT, Mounted
from minidock.build.stage import INSTRUCTIONS, Stage, from_scratch
from minidock.build.tree import Tree
from minidock.build.variables import Globals
from minidock.engine.images import images
from minidock.engine.paths import Paths
from minidock.engine.spec import users
from minidock.errors import MinidockError, UsageError
from minidock.image import layer_cache
from minidock.image.dockerfile import stages
from minidock.image.dockerfile.errors import DockerfileError, StepError
from minidock.image.dockerfile.instructions import Instruction
from minidock.image.dockerfile.words import heredoc
from minidock.image.importer import now
from minidock.image.layer_cache import Cached, Layer, Parts
from minidock.image.layer_writer import PieceReader
from minidock.image.store import LAYER_TYPE
from minidock.image.store_writer import Ingest

Report = Callable[..., None]
_SHOWN = ("ADD", "COPY", "RUN", "WORKDIR")  # what makes a layer is a step; all else changes the configuration only


class Asked(NamedTuple):
    """What `build` was asked, as far as a stage has to know it.

    `context`: a directory, None for a build without one; `contexts`: --build-context, name to directory or image;
    `names`: what tells this build from others (`cache.py`);
    `epoch`: SOURCE_DATE_EPOCH; `secrets`: id to content; `ssh`: id to the path of an agent's socket.
    """

    paths: Paths
    context: str | None
    ignored: list[str]
    contexts: dict[str, str]
    names: list[str]
    no_cache: bool
    pull: bool
    epoch: int | None
    surroundings: Surroundings
    secrets: dict[str, bytes]
    ssh: dict[str, str]


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
        self.open = ExitStack()
        self.trees: dict[str, Tree] = {}
        self.position = 0
        self.total = sum(instruction.name in _SHOWN for instruction in node.stage.instructions)
        self.total += isinstance(node.base, str) and node.base != SCRATCH

    def build(self) -> Stage:
        """All lines of the stage. Raises `MinidockError` with the line that failed."""
        stage = self._begin()
        with self.open:
            triggers = self._triggers(stage)
            self.total += len(triggers)
            self.open.callback(self.last.keep)  # also what was done of a stage that fails
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
        image = self._image(base, self.node.platform)
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

    def _image(self, name: str, platform: str) -> Any:
        wanted = "" if platform == self.outer.predefined["BUILDPLATFORM"] else platform
        policy = "always" if self.asked.pull else "missing"
        return images.find_or_fetch(self.root, name, policy, lambda line: self.report("line", text=line), wanted)

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
        if instruction.name not in _SHOWN:
            stage.note(INSTRUCTIONS[instruction.name](stage, instruction), stage.created, empty=True)
            return
        self._tell(_short(instruction.text), instruction)
        if instruction.name == "WORKDIR":
            text = INSTRUCTIONS["WORKDIR"](stage, instruction)
            try:
                owner = self._owner(stage, stage.config.get("User") or "", "")
            except UsageError:  # nobody that the image knows, as yet
                owner = (0, 0)
            request = Request((), (), stage.workdir, owner, "", False, False, ())
            parts: Parts = {"workdir": stage.workdir, "owner": list(owner or ())}
            cached, reason = self._layered(stage, instruction, text, parts, lambda: self._store(None, request, stage))
        elif instruction.name == "RUN":
            cached, reason = self._run(stage, instruction)
        else:
            cached, reason = self._copy(stage, instruction)
        self._end(stage, cached=cached, reason=reason)

    def _layered(
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
        known = None if self.asked.no_cache else layer_cache.get(self.root, key)
        if known and known.layer:
            hit = self.ingest.has_blob(known.layer.digest) and self.ingest.has_layer(known.layer.diff_id)
            known = known if hit else None
        line = Line(instruction.text, instruction.line, parts, files)
        reason, stage.cause = self.last.reason(line, key, stage.cause, hit=known is not None)
        if self.asked.no_cache:
            reason = NO_CACHE
        if known and known.layer:
            stage.layers.append(known.layer)
            self.last.made(known.layer.diff_id)
            stage.note(text, known.created, empty=False)
            layer_cache.put(self.root, known._replace(used=now()))
        else:
            began, created = time.monotonic(), now()
            layer = make()
            stage.layers.append(layer)
            stage.note(text, created, empty=False)
            seconds = round(time.monotonic() - began, 3)
            layer_cache.put(self.root, Cached(key, parts, layer, created, created, seconds, instruction.text))
            self.last.made(layer.diff_id)
        stage.key = key
        return known is not None, reason

    # RUN

    def _run(self, stage: Stage, instruction: Instruction) -> tuple[bool, Reason]:
        arguments, script = _program(stage, instruction)
        variables = stage.scope.environment()
        network = instruction.flag("network") or self.asked.surroundings.network
        if network not in ("default", "none", "host"):
            raise DockerfileError(f"invalid network mode: {network}", instruction.line)
        surroundings = self.asked.surroundings._replace(network=network)
        expansion = stage.scope.expansion()
        asked = [mounts.parse(text, expansion) for text in instruction.flags.get("mount", [])]
        mounted = Mounted(self, stage, asked, script)
        parts: Parts = {
            "run": arguments,
            "arguments": variables,
            "environment": stage.scope.env,
            "user": stage.config.get("User") or "",
            "directory": stage.workdir,
            "network": network,
            "script": script,
            "mounts": [list(mount) for mount in asked],
            "files": mounted.digests(),
        }
        words = [*stage.shell, script] if script else arguments
        counted = f"|{len(variables)} {' '.join(f'{k}={v}' for k, v in variables.items())} " if variables else ""
        text = f"RUN {counted}{' '.join(words)} # buildkit"

        def make() -> Layer:
            with mounted as engine_mounts:
                environment = {**variables, **mounted.environment}
                return run.run(
                    self.asked.paths, self.ingest, stage, arguments, surroundings, engine_mounts, environment
                )

        return self._layered(stage, instruction, text, parts, make, mounted.files())

    # COPY and ADD

    def _copy(self, stage: Stage, instruction: Instruction) -> tuple[bool, Reason]:
        *written, target = [stage.words(arg) for arg in instruction.args]
        listed = [arg for arg in written if not (instruction.heredocs and heredoc(arg))]
        contents = tuple(
            (each.name, stage.scope.expansion().plain(each.text) if each.expand else each.text)
            for each in instruction.heredocs
        )
        origin = instruction.flag("from")
        owner = self._owner(stage, stage.words(instruction.flag("chown")), origin)
        request = Request(
            tuple(listed), contents, stage.absolute(target), owner,
            stage.words(instruction.flag("chmod")), instruction.is_set("parents"), instruction.is_set("link"),
            tuple(map(stage.words, instruction.flags.get("exclude", []))),
        )  # fmt: skip
        fetched = None
        if instruction.name == "ADD":
            fetched = add.fetch(self, stage, request, instruction)
            if fetched:
                request = fetched.request
        tree = fetched.tree if fetched and fetched.tree else self.tree(origin) if request.sources else None
        copy = copying.find(tree, request, instruction.name) if tree else copying.Copy([], target.endswith("/"))
        if tree is None and len(contents) > 1 and not request.target.endswith("/"):
            copying.refuse_several(instruction.name)
        parts: Parts = {
            "files": copying.digests(tree, copy, request),
            "target": request.target,
            "owner": list(request.owner or ()),
            "mode": request.chmod,
            "into": copy.into_directory,
        }
        words = [*listed, *(f"<<{name}" for name, _ in contents), target]
        flags = [
            f"--{name}={stage.words(instruction.flag(name))} " for name in ("chown", "chmod") if instruction.flag(name)
        ]
        text = f"{instruction.name} {''.join(flags)}{' '.join(words)} # buildkit"
        files = copying.files(tree, copy, request, f"{origin}:/" if origin else "")
        return self._layered(stage, instruction, text, parts, lambda: self._store(tree, request, stage, copy), files)

    def _store(self, tree: Tree | None, request: Request, stage: Stage, copy: copying.Copy | None = None) -> Layer:
        below = list(reversed(layer_paths(self.root, stage)))
        if copy is None:
            copy = copying.Copy([], into_directory=True)
        pieces = copying.layer(tree, copy, request, below, self.asked.epoch, int(time.time()))
        diff_id, digest, size = self.ingest.put_layer(PieceReader(pieces))
        return Layer(diff_id, digest, size, LAYER_TYPE)

    def _owner(self, stage: Stage, wanted: str, origin: str) -> tuple[int, int] | None:
        """Root, where --chown names nobody else; what comes from another stage keeps its own."""
        if not wanted:
            return None if origin else (0, 0)
        found = users.look_up(list(reversed(layer_paths(self.root, stage))), wanted)
        user, _, group = wanted.partition(":")
        return found.uid, found.gid if group or not user.isdigit() else found.uid

    def tree(self, origin: str) -> Tree:
        """What COPY --from=`origin` copies from: "" is the context."""
        if origin not in self.trees:
            self.trees[origin] = tree = self._open(origin)
            self.open.callback(tree.close)
        return self.trees[origin]

    def _open(self, origin: str) -> Tree:
        if not origin:
            if self.asked.context is None:
                raise MinidockError("there is no build context: COPY and ADD have nothing to copy from")
            return sources.of_directory(self.asked.context, Patterns(self.asked.ignored), "the build context")
        source = self.node.sources[origin]
        place = os.path.join(self.ingest.workspace.path, f"tree-{os.urandom(4).hex()}")
        os.mkdir(place)
        if isinstance(source, int):
            return sources.of_layers(layer_paths(self.root, self.done[source]), f"stage {origin}", place)
        named = self.asked.contexts.get(source, source)
        if os.path.isdir(named) and source in self.asked.contexts:
            return sources.of_directory(named, Patterns(()), f"the context {source}")
        image = self._image(named.removeprefix("docker-image://"), self.outer.predefined["BUILDPLATFORM"])
        return sources.of_layers(image.layer_paths, f"the image {named}", place)


def _program(stage: Stage, instruction: Instruction) -> tuple[list[str], str]:
    """(the command of a RUN, the script that it is run with).

    The shell reads here-documents itself. One that is the whole command is a script: the shell's, or, with an
    interpreter named in its first line, a file of its own.
    """
    if instruction.is_json:
        return list(instruction.args), ""
    (text,) = instruction.args or ("",)
    if not instruction.heredocs:
        return [*stage.shell, text], ""
    first = instruction.heredocs[0]
    if len(instruction.heredocs) == 1 and heredoc(text.strip()):
        return ([SCRIPT], first.text) if first.text.startswith("#!") else ([*stage.shell, first.text], "")
    ends = "".join(f"{each.content}{each.name}\n" for each in instruction.heredocs)
    return [*stage.shell, f"{text}\n{ends}"], ""


def _short(text: str) -> str:
    return " ".join(text.split())[:200]
