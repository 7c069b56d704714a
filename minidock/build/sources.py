"""What files are copied from: the context, another stage, an image; each opened as a `Tree`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from minidock.build.graph import Node
from minidock.build.stage import Stage
from minidock.engine.images import find_image
from minidock.errors import MinidockError
from minidock.image.store_writer import Ingest
from minidock.observe import step

if TYPE_CHECKING:
    from minidock.build.builder import Asked, Report
    from minidock.build.tree import Tree


class Sources:
    """What one stage may copy from. Each is opened at its first use; `close` closes them all."""

    def __init__(self, asked: Asked, node: Node, done: Mapping[int, Stage], ingest: Ingest, report: Report) -> None:
        self.asked = asked
        self.node = node
        self.done = done
        self.ingest = ingest
        self.report = report
        self._trees: dict[str, Tree] = {}
        self._open = ExitStack()

    def close(self) -> None:
        """Close whatever was opened."""
        self._open.close()

    def tree(self, origin: str) -> Tree:
        """What COPY --from=`origin` copies from: "" is the context. Raises `MinidockError`."""
        if origin not in self._trees:
            self._trees[origin] = self.keep(self._opened(origin))
        return self._trees[origin]

    def keep(self, tree: Tree) -> Tree:
        """Close `tree` with all others."""
        self._open.callback(tree.close)
        return tree

    def image(self, name: str, platform: str) -> Any:
        """The image that `name` means here, or in its registry; `platform` "" is this machine's."""
        policy = "always" if self.asked.pull and not name.startswith("sha256:") else "missing"
        return find_image.find_or_fetch(
            self.asked.paths.root, name, policy, lambda line: self.report("line", text=line), platform
        )

    def _opened(self, origin: str) -> Tree:
        if not origin:
            if self.asked.context is None:
                raise MinidockError("there is no build context: COPY and ADD have nothing to copy from")
            root = self.asked.paths.root
            is_passing = self.asked.context.startswith(f"{root}/")  # what was fetched for this build only
            where = "" if is_passing else root
            return of_directory(self.asked.context, self.asked.ignored, "the build context", where)
        source = self.node.sources[origin]
        if isinstance(source, int):
            return of_layers(self.done[source].layer_paths(self.asked.paths.root), f"stage {origin}", self._place())
        named = self.asked.contexts.get(source)
        if named and named.directory:
            return of_directory(named.directory, named.ignored, f"the context {source}")
        image = self.image(named.image if named else source, "")
        return of_layers(image.layer_paths, f"the image {source}", self._place())

    def _place(self) -> str:
        place = os.path.join(self.ingest.workspace.path, f"tree-{os.urandom(4).hex()}")
        os.mkdir(place)
        return place


def of_directory(path: str, ignored: Sequence[str], name: str, root: str = "") -> Tree:
    """A directory of the host's, without what fits the patterns `ignored`. Raises `OSError`.

    `root`: where the digests of its files are remembered, "" where they are not.
    """
    from minidock.build.ignore import Patterns
    from minidock.build.tree import Tree

    known = None
    if root:
        from minidock.build.known_digests import KnownDigests

        known = KnownDigests(root, path)
    return Tree(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), Patterns(ignored), name, known)


def of_layers(paths: Sequence[str], name: str, place: str) -> Tree:
    """Layers (bottom to top) seen as one, mounted on `place`, an empty directory.

    The caller's mount namespace is the stage's own (`scheduler.py`): nobody else sees it, and it goes with the process.
    """
    if len(paths) <= 1:
        return of_directory(paths[0] if paths else place, (), name)
    from minidock.linux import overlay

    with step("Mount the layers that files are copied from", book="3.5.5"):
        overlay.mount_read_only(list(reversed(paths)), place)
    return of_directory(place, (), name)
