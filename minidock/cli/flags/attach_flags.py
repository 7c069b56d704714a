"""What `run`, `start -a` and `attach` have in common: a command whose own streams are a container's for a while."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from minidock.cli import usage
from minidock.errors import ClientError

if TYPE_CHECKING:
    from minidock.engine.monitor.monitor_client import Attachment

ATTACHMENT = [
    usage.option("--detach-keys", default="", metavar="KEYS", help="What is typed to detach [ctrl-p,ctrl-q]."),
    usage.option("--sig-proxy/--no-sig-proxy", default=True, help="Pass signals on to the container."),
]


def attachment_of(streams: Iterable[str], flags: dict[str, Any]) -> Attachment:
    """The flags, and the streams by name, as what the engine takes. Raises `UsageError` for bad keys."""
    from minidock.engine.monitor import detach_keys, monitor_client

    which = {name: True for name in streams}
    return monitor_client.Attachment(**which, keys=detach_keys.parse(flags["detach_keys"]), proxy=flags["sig_proxy"])


def check_terminal(attachment: Attachment, *, is_terminal: bool) -> None:
    """Raise `ClientError` if what is typed is to go to a terminal inside, and comes from none."""
    if attachment.stdin and is_terminal and not os.isatty(0):
        raise ClientError("the input device is not a TTY")


def say(line: str) -> None:
    """A line for the user that is no result."""
    print(line, file=sys.stderr, flush=True)


def warn(line: str) -> None:
    """Something that the user should know of."""
    say(f"WARNING: {line}")
