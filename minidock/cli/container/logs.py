"""`minidock logs`: show what a container has printed, its standard error on ours."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.echo import echo
from minidock.cli.flags.entity_names import CONTAINER
from minidock.engine.state_paths import Paths
from minidock.errors import MinidockError

Blocks = Iterator[list[dict[str, Any]]]


@usage.command(context_settings=HELP)
@usage.option("-f", "--follow", is_flag=True, help="Go on with what the container prints, until it ends.")
@usage.option("-n", "--tail", metavar="N", default="all", help="Only the last N lines [all].")
@usage.option("--since", metavar="TIME", default="", help="Only from then on: 2026-01-31T12:00:00Z, or 10m ago.")
@usage.option("--until", metavar="TIME", default="", help="Only up to then.")
@usage.option("-t", "--timestamps", is_flag=True, help="Show when each line was printed.")
@usage.option("--details", is_flag=True, help="Show the labels and variables that --log-opt chose.")
@usage.argument("name", metavar="CONTAINER", type=CONTAINER)
@usage.pass_paths
def logs(
    paths: Paths, follow: bool, tail: str, since: str, until: str, timestamps: bool, details: bool, name: str
) -> None:
    """Show what a container has printed."""
    from minidock.engine.container import records, recovery
    from minidock.engine.logs import log_config, log_reader

    limits = [_moment(text, flag) if text else "" for flag, text in (("since", since), ("until", until))]
    wanted = log_reader.Wanted(_count(tail), *limits)
    recovery.sweep_all(paths.root)
    record = records.find(paths.root, name)
    driver = log_config.driver_of(record)
    if driver is None:
        raise MinidockError("configured logging driver does not support reading")
    path = log_config.path(record, driver)
    if follow:
        is_running = log_reader.while_running(paths.root, record.id)
        warn = partial(echo, err=True)
        blocks = log_reader.follow(path, wanted, is_running, lambda line: warn(f"minidock: {line}"), driver)
    else:
        blocks = log_reader.read(path, wanted, driver)
    _print(blocks, _form(timestamps=timestamps, details=details))


def _moment(text: str, flag: str) -> str:
    from minidock.cli import times  # here, as it loads calendar

    return times.utc(times.moment(text, flag))


def _count(tail: str) -> int | None:
    """--tail: anything but a number is "all", and so is a negative one, as in docker."""
    text = tail.removeprefix("=")  # -n=5
    return int(text) if re.fullmatch(r"\+?\d+", text, re.ASCII) else None


def _form(*, timestamps: bool, details: bool) -> Callable[[dict[str, Any]], str]:
    """How a record is shown."""

    def details_of(record: dict[str, Any]) -> str:
        from urllib.parse import quote_plus

        pairs = sorted((record.get("attrs") or {}).items())
        return ",".join(f"{quote_plus(key)}={quote_plus(value)}" for key, value in pairs)

    def shown(record: dict[str, Any]) -> str:
        text = str(record["log"])
        if details:
            text = f"{details_of(record)} {text}"
        if timestamps:
            second, _, fraction = record["time"][:-1].partition(".")
            text = f"{second}.{fraction:0<9}Z {text}"
        return text

    return shown if timestamps or details else lambda record: record["log"]


def _print(blocks: Blocks, form: Callable[[dict[str, Any]], str]) -> None:
    """Each record to its stream; in one write what goes to one stream before the other's turn comes."""
    from itertools import groupby

    for block in blocks:
        for stream, group in groupby(block, key=lambda record: record["stream"]):
            text = "".join(map(form, group))
            _write(2 if stream == "stderr" else 1, memoryview(text.encode("utf-8", "surrogateescape")))


def _write(fd: int, data: memoryview) -> None:
    while data:
        data = data[os.write(fd, data) :]
