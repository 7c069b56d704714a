"""A whole build: the context and its Dockerfile in, an image out."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import closing
from typing import Any, NamedTuple

from minidock.build import checks, contexts, excerpt, graph, ignore, image, progress_terminal, scheduler, variables
from minidock.build.account import Account
from minidock.build.builder import Asked
from minidock.build.checks import Checked, Subject
from minidock.build.contexts import Context
from minidock.build.graph import Node
from minidock.build.ignore import Patterns
from minidock.build.reasons import Say
from minidock.build.run import NO_LIMITS, Surroundings
from minidock.build.variables import Globals
from minidock.engine.container import create
from minidock.engine.events import event_log
from minidock.engine.paths import Paths
from minidock.errors import EXIT_SIGNAL, MinidockError, NotFoundError, UsageError
from minidock.image import reference
from minidock.image.dockerfile import stages
from minidock.image.dockerfile.errors import lines_of
from minidock.image.reference import Reference
from minidock.image.store import Image, Store
from minidock.image.store_writer import Ingest

NAMES = ("Dockerfile", "dockerfile")


class Command(NamedTuple):
    """What a user asks of `build`. `context`: a directory, or "-" for a Dockerfile on standard input."""

    context: str
    file: str
    tags: list[str]
    build_args: list[str]
    target: str
    no_cache: bool
    pull: bool
    labels: dict[str, str]
    network: str
    add_host: list[tuple[str, str]]
    secrets: dict[str, bytes]
    ssh: dict[str, str]
    contexts: dict[str, str]
    platform: str
    quiet: bool
    progress: str
    check: bool


def run(paths: Paths, asked: Command, say: Say, account: Account) -> Image:
    """Build. `say` gives the texts of reasons (`reasons.py`); `account` is told what is done.

    Raises `MinidockError`, with nothing left behind but what the cache keeps.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(EXIT_SIGNAL + signal.SIGTERM))  # and clean up on the way
    names = [reference.parse(text) for text in asked.tags]
    for name in names:
        if name.digest:
            raise UsageError(f"invalid tag {name}: a digest cannot be chosen")
    create.check_host()
    with contexts.opened(paths.root, asked.context, asked.file) as context:
        return _build(paths, asked, names, context, say, account)


def _build(paths: Paths, asked: Command, names: list[Reference], context: Context, say: Say, account: Account) -> Image:
    content, where = _dockerfile(asked, context)
    try:
        return _build_file(paths, asked, names, context, content, where, say, account)
    except MinidockError as error:
        line, last = lines_of(error)
        for row in excerpt.marked(content, os.path.basename(where) or NAMES[0], line, last):
            print(row, file=sys.stderr)
        raise MinidockError(f"failed to solve: {error}") from error


def _build_file(
    paths: Paths,
    asked: Command,
    names: list[Reference],
    context: Context,
    content: bytes,
    where: str,
    say: Say,
    account: Account,
) -> Image:
    file = stages.parse(content)
    given = variables.key_values(asked.build_args, os.environ)
    target = asked.platform or variables.of_platforms("linux")["BUILDPLATFORM"]
    outer = Globals(file.arguments, given, target, asked.target, file.escape)
    plan = graph.make(file, outer, asked.target, asked.contexts)
    epoch = given.get("SOURCE_DATE_EPOCH", os.environ.get("SOURCE_DATE_EPOCH", ""))
    if epoch and not epoch.isdigit():
        raise UsageError(f"SOURCE_DATE_EPOCH is {epoch!r}, and no number of seconds")
    shown = progress_terminal.chosen("quiet" if asked.quiet else asked.progress, say)
    shown.expect(plan.nodes.values())
    numbers = range(len(file.stages)) if asked.check and not asked.target else sorted(plan.nodes)
    ignored = _ignored(context, where)
    checked = Checked(Subject(file, outer, numbers, checks.base_in(paths.root), Patterns(ignored)))
    if asked.check:
        print("\n".join(checks.whole(checked.found(), content, os.path.basename(where) or NAMES[0])))
        sys.exit(bool(checked.found()))
    checked.refuse()
    work = Asked(
        paths=paths,
        context=os.path.abspath(context.directory) if context.directory is not None else None,
        ignored=ignored,
        contexts=asked.contexts,
        names=_places(asked, names, where),
        no_cache=asked.no_cache,
        pull=asked.pull,
        epoch=int(epoch) if epoch else None,
        surroundings=Surroundings(asked.network, asked.add_host, NO_LIMITS, {}, None),
        secrets=asked.secrets,
        ssh=asked.ssh,
    )

    def told(node: Node, kind: str, content: dict[str, Any]) -> None:
        account.told(node, kind, content)
        shown.told(node, kind, content)

    with Ingest(Store(paths.root)) as ingest, closing(shown):
        stage = scheduler.build(work, plan, outer, ingest, told, shown.tick)
        with shown.doing("exporting to image"):
            made = image.write(ingest, stage, names, asked.labels, work.epoch)
            shown.say(f"writing image {made.id} done")
            for name in names:
                event_log.emit_image(paths.root, "tag", made.id, made.labels, name.familiar)
                shown.say(f"naming to {name.canonical} done")
    if not asked.quiet:
        checked.tell()
    return made


def _places(asked: Command, names: list[Reference], where: str) -> list[str]:
    """What a build is remembered as: by its context and Dockerfile, and by what the image is called."""
    repositories = sorted({name.name for name in names})
    return [f"{place}\0{asked.target}" for place in (f"{os.path.abspath(asked.context)}\0{where}", *repositories)]


def _dockerfile(asked: Command, context: Context) -> tuple[bytes, str]:
    """(content, path of the Dockerfile, "" on standard input)."""
    directory = context.directory
    if context.typed is not None:
        return context.typed, ""
    if directory is None or not os.path.isdir(directory):
        raise NotFoundError(f'unable to prepare context: path "{asked.context}" not found')
    if asked.file:
        paths = (
            [os.path.join(directory, asked.file)]
            if asked.context == "-"
            else [asked.file, os.path.join(directory, asked.file)]
        )
    else:
        paths = [os.path.join(directory, name) for name in NAMES]
    for path in paths:
        try:
            with open(path, "rb") as file:
                return file.read(), os.path.abspath(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise MinidockError(f"failed to read dockerfile: {path}: {error.strerror}") from error
    raise NotFoundError(f"failed to read dockerfile: open {asked.file or NAMES[0]}: no such file or directory")


def _ignored(context: Context, where: str) -> list[str]:
    """The patterns of NAME.dockerignore beside the Dockerfile, or else of the context's .dockerignore."""
    if context.directory is None:
        return []
    for path in ([f"{where}.dockerignore"] if where else []) + [os.path.join(context.directory, ".dockerignore")]:
        try:
            with open(path, encoding="utf-8", errors="surrogateescape") as file:
                return ignore.parse(file.read())
        except FileNotFoundError:
            continue
        except OSError as error:
            raise MinidockError(f"{path}: {error.strerror}") from error
    return []
