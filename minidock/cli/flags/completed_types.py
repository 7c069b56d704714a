"""click's types of what a shell completes: made from those of `entity_names.py` where click is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class EntityName(click.types.StringParamType):
    """A text like any other to the command; `names` lists, below a state root, what may be meant."""

    name = "text"

    def __init__(self, names: Callable[[str], Iterator[str]]) -> None:
        self._names = names

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        from minidock.engine import state_paths

        given = ctx.params.get(param.name or "") or ()
        root = state_paths.choose(ctx.find_root().params.get("root")).root
        names = sorted({name for name in self._names(root) if name.startswith(incomplete) and name not in given})
        return [CompletionItem(name) for name in names]


class FileName(click.types.StringParamType):
    """A path, which the shell itself completes; of a file, or of a directory only."""

    name = "text"

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        return [CompletionItem(incomplete, type=self._kind)]


class PathOrContainer(EntityName):
    """What `cp` takes: a path of this host, or CONTAINER:PATH."""

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return [
            *super().shell_complete(ctx, param, incomplete),
            *FileName("file").shell_complete(ctx, param, incomplete),
        ]
