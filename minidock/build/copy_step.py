"""COPY, ADD and WORKDIR as steps of a stage: what is copied, what its cache key is made of."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from minidock.build import copy_files
from minidock.build.copy_files import Copy, Fetched, Portion, Request
from minidock.build.reasons import SAME, Reason
from minidock.build.stage import INSTRUCTIONS, Stage
from minidock.errors import UsageError
from minidock.image.dockerfile.instructions import Instruction
from minidock.image.dockerfile.words import heredoc
from minidock.image.layer_cache import Layer, Parts
from minidock.image.media_types import LAYER_TYPE

if TYPE_CHECKING:
    from minidock.build.builder import Builder
    from minidock.build.tree import Tree


def step(builder: Builder, stage: Stage, instruction: Instruction) -> tuple[bool, Reason]:
    """One COPY or ADD: (whether its layer was in the cache, why). Raises `MinidockError`."""
    *written, target = [stage.words(arg) for arg in instruction.args]
    listed = [arg for arg in written if not (instruction.heredocs and heredoc(arg))]
    contents = tuple(
        (each.name, stage.scope.expansion().plain(each.text) if each.expand else each.text)
        for each in instruction.heredocs
    )
    origin = instruction.flag("from")
    request = Request(
        tuple(listed), contents, stage.absolute(target),
        _owner(builder, stage, stage.words(instruction.flag("chown")), origin),
        stage.words(instruction.flag("chmod")), instruction.is_set("parents"), instruction.is_set("link"),
        tuple(map(stage.words, instruction.flags.get("exclude", []))),
    )  # fmt: skip
    if len(listed) + len(contents) > 1 and not request.target.endswith("/"):
        copy_files.refuse_several(instruction.name)
    portions = _portions(builder, stage, request, instruction)
    words = [*listed, *(f"<<{name}" for name, _ in contents), target]
    flags = [
        f"--{name}={stage.words(instruction.flag(name))} " for name in ("chown", "chmod") if instruction.flag(name)
    ]
    text = f"{instruction.name} {''.join(flags)}{' '.join(words)} # buildkit"
    parts = _parts(builder, portions)
    tree, asked, copy, _ = portions[-1]
    files = copy_files.files(tree, copy, asked, f"{origin}:/" if origin else "")
    return builder.layered(stage, instruction, text, parts, lambda: _store(builder, stage, portions), files)


def _portions(builder: Builder, stage: Stage, request: Request, instruction: Instruction) -> list[Portion]:
    """What is copied from where: of a COPY one tree, of an ADD any number."""
    if instruction.name == "ADD":
        from minidock.build import add

        fetched = add.fetch(builder, stage, request, instruction)
    else:
        tree = builder.sources.tree(instruction.flag("from")) if request.sources else None
        fetched = [Fetched(tree, request)]
    several = len(request.sources) + len(request.contents) > 1
    found = []
    for source, asked, known in fetched:
        copy = copy_files.find(source, asked, several=several) if source else Copy([], asked.target.endswith("/"))
        found.append(Portion(source, asked, copy, known))
    return found


def _parts(builder: Builder, portions: Sequence[Portion]) -> Parts:
    epoch = builder.asked.epoch
    digests: dict[str, str] = {}
    for number, (_, request, copy, known) in enumerate(portions):
        own = known or copy_files.digests(copy, request)
        # The same place may be there twice: in two archives.
        digests |= own if len(portions) == 1 else {f"{number}:{place}": digest for place, digest in own.items()}
    _, request, copy, _ = portions[-1]
    return {
        "files": digests,
        "target": request.target,
        "owner": list(request.owner or ()),
        "mode": request.chmod,
        "into": copy.into_directory,
        **({} if epoch is None else {"epoch": epoch}),
    }


def whole(builder: Builder, stage: Stage, tree: Tree, instruction: Instruction) -> tuple[bool, Reason]:
    """All files of a tree, as FROM takes them from a named context that is a directory."""
    request = Request(("/",), (), "/", None, "", parents=False, link=True, excluded=())
    copy = copy_files.find(tree, request)
    portions = [Portion(tree, request, copy)]
    parts = _parts(builder, portions)
    text = f"FROM {tree.name} # buildkit"
    return builder.layered(stage, instruction, text, parts, lambda: _store(builder, stage, portions))


def working_directory(builder: Builder, stage: Stage, instruction: Instruction) -> tuple[bool, Reason]:
    """WORKDIR makes its directory, which belongs to the stage's user; the root is always there."""
    text = INSTRUCTIONS["WORKDIR"](stage, instruction)
    if stage.workdir == "/":
        stage.note(text, stage.created, empty=True)
        return True, SAME
    try:
        owner = _owner(builder, stage, stage.config.get("User") or "", "")
    except UsageError:  # nobody that the image knows, as yet
        owner = (0, 0)
    request = Request((), (), stage.workdir, owner, "", parents=False, link=False, excluded=())
    parts: Parts = {"workdir": stage.workdir, "owner": list(owner or ())}
    portions = [Portion(None, request, Copy([], into_directory=True))]
    return builder.layered(stage, instruction, text, parts, lambda: _store(builder, stage, portions))


def _store(builder: Builder, stage: Stage, portions: Sequence[Portion]) -> Layer:
    from minidock.build import copy_layer
    from minidock.image.layer_writer import PieceReader

    below = list(reversed(stage.layer_paths(builder.root)))
    pieces = copy_layer.pieces(portions, below, builder.asked.epoch, int(time.time()), builder.unsteady)
    diff_id, digest, size = builder.ingest.put_layer(PieceReader(pieces))
    return Layer(diff_id, digest, size, LAYER_TYPE)


def _owner(builder: Builder, stage: Stage, wanted: str, origin: str) -> tuple[int, int] | None:
    """Root, where --chown names nobody else; what comes from another stage keeps its own."""
    if not wanted:
        return None if origin else (0, 0)
    from minidock.engine.spec import users

    found = users.look_up(list(reversed(stage.layer_paths(builder.root))), wanted)
    user, _, group = wanted.partition(":")
    return found.uid, found.gid if group or not user.isdigit() else found.uid
