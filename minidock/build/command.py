"""A whole build: the context and its Dockerfile in, an image out."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import AbstractContextManager, closing, nullcontext
from typing import TYPE_CHECKING, Any

from minidock.build import contexts, graph, outputs, results, scheduler, variables
from minidock.build.build_progress import Progress, Quiet
from minidock.build.builder import Asked
from minidock.build.contexts import Context, Named
from minidock.build.graph import Graph, Node
from minidock.build.reasons import Say
from minidock.build.request import Command, Surroundings
from minidock.build.results import Built
from minidock.build.scheduler import Told
from minidock.build.variables import Globals
from minidock.engine.state_paths import Paths
from minidock.errors import EXIT_SIGNAL, MinidockError, NotFoundError, UsageError
from minidock.image import reference
from minidock.image.dockerfile import stages
from minidock.image.dockerfile.dockerfile_errors import lines_of
from minidock.image.dockerfile.stages import Dockerfile
from minidock.image.reference import Reference
from minidock.image.store import Store
from minidock.image.store_writer import Ingest

if TYPE_CHECKING:
    from minidock.build.archives import Readable
    from minidock.build.cache_exchange import Imported
    from minidock.build.checks import Checked
    from minidock.build.failure_shell import Streams

NAMES = ("Dockerfile", "dockerfile")


def run(
    paths: Paths,
    asked: Command,
    say: Say,
    account: Told | None = None,
    source: Readable | None = None,
    shown: Progress | None = None,
) -> str:
    """Build. `say` gives the texts of reasons (`reasons.py`); `account` hears of every step.

    `source`: what is read in the place of standard input; `shown`: who is told how it goes, if not the user on
    standard error.

    Returns the image's id, "" where none was asked for. Raises `MinidockError`, and leaves nothing behind but what the
    cache keeps.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(EXIT_SIGNAL + signal.SIGTERM))  # and clean up on the way
    names = [reference.parse(text) for text in asked.tags]
    for name in names:
        if name.digest:
            raise UsageError(f"invalid tag {name}: a digest cannot be chosen")
    outputs.check(asked.outputs)
    given = variables.key_values(asked.build_args, os.environ)
    keep_git = given.get(contexts.KEEP_GIT, "").lower() in ("1", "true")
    with _context(paths, asked, source, keep_git=keep_git) as context:
        return _build(paths, asked, names, context, given, shown or _shown(asked, say), account)


def _context(
    paths: Paths, asked: Command, source: Readable | None, *, keep_git: bool
) -> AbstractContextManager[Context]:
    """What PATH and -f name. A directory that is here is meant before anything else, as by docker."""
    if asked.context == "-" and asked.file == "-":
        raise UsageError("invalid argument: can't use stdin for both build context and dockerfile")
    if asked.context != "-" and asked.file != "-" and "://" not in asked.file and os.path.isdir(asked.context):
        return nullcontext(Context(asked.context, None))
    from minidock.build import remote_contexts

    return remote_contexts.opened(paths.root, asked.context, asked.file, keep_git=keep_git, source=source)


def _shown(asked: Command, say: Say) -> Progress:
    if asked.progress == "quiet":
        return Quiet(say)
    if asked.progress == "rawjson":
        from minidock.build.progress_json import RawJson

        return RawJson(say)
    from minidock.build import progress_terminal

    return progress_terminal.chosen(asked.progress, say)


def _build(
    paths: Paths,
    asked: Command,
    names: list[Reference],
    context: Context,
    given: dict[str, str],
    shown: Progress,
    account: Told | None,
) -> str:
    content, where = _dockerfile(asked, context)
    try:
        return _build_file(paths, asked, names, context, content, where, given, shown, account)
    except MinidockError as error:
        from minidock.build import excerpt

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
    given: dict[str, str],
    shown: Progress,
    account: Told | None,
) -> str:
    file = stages.parse(content)
    outer = Globals(file.arguments, given, _platform(asked.platform), asked.target, file.escape)
    plan = graph.make(file, outer, asked.target, asked.contexts)
    shown.expect(plan.nodes.values())
    ignored = _ignored(context, where)
    checked = _checked(paths, asked, file, outer, plan, ignored)
    if checked and asked.check:
        print("\n".join(checked.whole(content, os.path.basename(where) or NAMES[0])))
        sys.exit(bool(checked.found()))
    if checked:
        checked.refuse()

    def told(node: Node, kind: str, content: dict[str, Any]) -> None:
        if account:
            account(node, kind, content)
        shown.told(node, kind, content)

    with Ingest(Store(paths.root)) as ingest, closing(shown):
        work = Asked(
            paths=paths,
            context=os.path.abspath(context.directory) if context.directory is not None else None,
            ignored=ignored,
            contexts=_named(ingest, asked, plan),
            names=_places(asked, names, where),
            no_cache=asked.no_cache,
            no_cache_stages=asked.no_cache_stages,
            pull=asked.pull,
            epoch=_epoch(given),
            surroundings=_surroundings(asked, given),
            secrets=asked.secrets,
            ssh=asked.ssh,
            imported=_imported(paths, asked, shown),
            streams=_streams(asked),
        )
        built = scheduler.build(work, plan, outer, ingest, told, shown.tick)
        image = results.write(ingest, asked, Built(built, plan.target, names, work.epoch, given), shown)
    if checked and asked.progress != "quiet":
        checked.tell()
    return image


def _checked(
    paths: Paths, asked: Command, file: Dockerfile, outer: Globals, plan: Graph, ignored: list[str]
) -> Checked | None:
    """The build checks; None where nobody would be told of them."""
    if asked.progress == "quiet" and not asked.check and "check" not in file.directives:
        return None
    from minidock.build import checks
    from minidock.build.ignore import Patterns

    numbers = range(len(file.stages)) if asked.check and not asked.target else sorted(plan.nodes)
    return checks.Checked(checks.Subject(file, outer, numbers, checks.base_in(paths.root), Patterns(ignored)))


def _imported(paths: Paths, asked: Command, shown: Progress) -> Imported | None:
    if not asked.cache_from:
        return None
    from minidock.build import cache_exchange

    return cache_exchange.read(paths.root, asked.cache_from, shown.say)


def _streams(asked: Command) -> Streams | None:
    """This process's own, for a shell where a RUN fails."""
    if not asked.shell_on_failure:
        return None
    from minidock.build import failure_shell

    return failure_shell.kept()


def _named(ingest: Ingest, asked: Command, plan: Graph) -> dict[str, Named]:
    """Those of --build-context that the build uses, made ready."""
    if not asked.contexts:
        return {}
    from minidock.build import remote_contexts

    return remote_contexts.named(ingest, asked.contexts, _used(plan))


def _used(plan: Graph) -> set[str]:
    """The names that the build may look for in --build-context."""
    sources = (source for node in plan.nodes.values() for source in (node.base, *node.sources.values()))
    return {source for source in sources if isinstance(source, str)}


def _platform(text: str) -> str:
    """--platform, one name for each thing; this machine's if none is given. Raises `UsageError`."""
    if not text:
        return variables.of_platforms("linux")["BUILDPLATFORM"]
    if "," in text:
        raise UsageError(f"--platform {text}: an image is built for one platform at a time")
    from minidock.image.registry.manifests import parse_platform

    return str(parse_platform(text))


def _epoch(given: dict[str, str]) -> int | None:
    """SOURCE_DATE_EPOCH, as --build-arg or of the environment: seconds since 1970. Raises `UsageError`."""
    epoch = given.get("SOURCE_DATE_EPOCH", os.environ.get("SOURCE_DATE_EPOCH", ""))
    if epoch and not epoch.isdigit():
        raise UsageError(f"SOURCE_DATE_EPOCH is {epoch!r}, and no number of seconds")
    return int(epoch) if epoch else None


def _surroundings(asked: Command, given: dict[str, str]) -> Surroundings:
    """What RUN steps have around them (reference, "BuildKit built-in build args")."""
    found = asked.surroundings._replace(cache_namespace=given.get("BUILDKIT_CACHE_MOUNT_NS", ""))
    hostname = given.get("BUILDKIT_SANDBOX_HOSTNAME")
    return found._replace(hostname=hostname) if hostname else found


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
    inside = [os.path.join(directory, name) for name in ([asked.file] if asked.file else NAMES)]
    paths = inside if context.is_remote or not asked.file else [asked.file, *inside]
    for path in paths:
        try:
            return contexts.read(path, directory if context.is_remote else None), os.path.abspath(path)
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
        found = contexts.patterns(path, context.directory if context.is_remote else None)
        if found is not None:
            return found
    return []
