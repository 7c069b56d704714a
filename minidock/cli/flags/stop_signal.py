"""What `stop` and `restart` have in common: which signal asks for the end, and how long it is waited for."""

from __future__ import annotations

from minidock.cli import usage

TIMEOUT = usage.option("-t", "--time", "--timeout", "timeout", type=int, metavar="SECONDS",
                        help="How long to wait before it is killed; -1: for ever [10].")  # fmt: skip
SIGNAL = usage.option("-s", "--signal", "signal", default="", metavar="SIGNAL",
                       help="Which signal asks it to end [its stop signal].")  # fmt: skip
