"""`minidock stats`: show what containers use, every second."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.echo import echo
from minidock.cli.flags.entity_names import RUNNING_CONTAINER
from minidock.cli.format.template_values import Fields
from minidock.engine.container.records import Record
from minidock.engine.inspect.container_stats import Sample
from minidock.engine.state_paths import Paths
from minidock.explain.format_values import memory

_PERIOD = 1.0  # seconds
_UNKNOWN = "--"
_COLUMNS = "{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}"
# ECMA-48: to the upper left corner, erase to the end of the line, erase to the end of the screen.
_HOME, _END_OF_LINE, _END_OF_SCREEN = "\x1b[H", "\x1b[K", "\x1b[J"


class _Row(Fields):
    go_type = "*container.statsContext"


_HEADERS = _Row({
    "BlockIO": "BLOCK I/O", "CPUPerc": "CPU %", "Container": "CONTAINER", "ID": "CONTAINER ID", "MemPerc": "MEM %",
    "MemUsage": "MEM USAGE / LIMIT", "Name": "NAME", "NetIO": "NET I/O", "PIDs": "PIDS",
})  # fmt: skip


@usage.command(context_settings=HELP)
@usage.option("-a", "--all", "everything", is_flag=True, help="Also show containers that are not up.")
@usage.option("--format", "template", metavar="TEMPLATE", help="A Go template, 'table TEMPLATE', 'table' or 'json'.")
@usage.option("--no-stream", is_flag=True, help="Show them once.")
@usage.option("--no-trunc", is_flag=True, help="Do not shorten.")
@usage.argument("names", metavar="[CONTAINER...]", nargs=-1, type=RUNNING_CONTAINER)
@usage.pass_paths
def stats(
    paths: Paths, everything: bool, template: str | None, no_stream: bool, no_trunc: bool, names: tuple[str, ...]
) -> None:
    """Show what containers use: processor, memory, network, disk, processes."""
    from minidock.engine.container import records, recovery
    from minidock.engine.inspect import container_list

    recovery.sweep_all(paths.root)

    def chosen() -> list[tuple[str, Record]]:
        if names:
            return [(name, records.find(paths.root, name)) for name in names]
        return [(record.id[:12], record) for record in container_list.select(paths.root, {}, everything=everything)]

    show = _once if no_stream else _again_and_again
    show(chosen, template, no_trunc=no_trunc)


Chosen = Callable[[], list[tuple[str, Record]]]
Samples = dict[str, Sample | None]


def _once(chosen: Chosen, template: str | None, *, no_trunc: bool) -> None:
    found = chosen()
    before = _samples(found)
    if any(before.values()):
        time.sleep(_PERIOD)
    after = _samples(found)
    echo(_listing(found, before, after, template, no_trunc=no_trunc), nl=False)


def _again_and_again(chosen: Chosen, template: str | None, *, no_trunc: bool) -> None:
    """Draw over what was drawn before, until somebody has seen enough, or a named container is gone."""
    from minidock.cli import screen

    before: Samples = {}
    while True:
        found = chosen()
        after = _samples(found)
        text = _listing(found, before, after, template, no_trunc=no_trunc)
        out = screen.canvas()
        out.write(_HOME + screen.harmless(text).replace("\n", f"{_END_OF_LINE}\n") + _END_OF_SCREEN)
        out.flush()
        before = after
        time.sleep(_PERIOD)


def _samples(found: Sequence[tuple[str, Record]]) -> Samples:
    from minidock.engine.inspect import container_stats

    return {record.id: container_stats.take(record) if record.is_up else container_stats.NOTHING for _, record in found}


def _listing(
    found: Sequence[tuple[str, Record]], before: Samples, after: Samples, template: str | None, *, no_trunc: bool
) -> str:
    from minidock.cli.format import listing

    rows = [_row(name, record, before.get(record.id), after[record.id], no_trunc) for name, record in found]
    return listing.listing(template, rows, _HEADERS, _COLUMNS)


def _row(name: str, record: Record, before: Sample | None, after: Sample | None, no_trunc: bool) -> _Row:
    """Docker's columns (cli/command/container/formatter_stats.go); what is not known is `--`."""
    from minidock.cli.format.units import size
    from minidock.engine.inspect.container_stats import processor_share

    row = dict.fromkeys(_HEADERS, _UNKNOWN)
    row |= {"Container": name, "ID": record.id if no_trunc else record.id[:12], "Name": record.name}
    if after:
        row |= {"NetIO": f"{size(after.received)} / {size(after.sent)}", "PIDs": str(after.threads)}
        if before:
            row["CPUPerc"] = f"{processor_share(before, after) * 100:.2f}%"
        if after.memory is not None and after.memory_limit is not None:
            row["MemUsage"] = f"{memory(after.memory)} / {memory(after.memory_limit)}"
            row["MemPerc"] = f"{after.memory / (after.memory_limit or 1) * 100:.2f}%"
        if after.read is not None and after.written is not None:
            row["BlockIO"] = f"{size(after.read)} / {size(after.written)}"
    return _Row(row)
