"""The style `json`: one JSON object a line, in the order of `event_order.py`.

    {"event": "begins", "step": "Set the host name", "book": "3.1", "source": "minidock/runtime/init.py:87", ...}
    {"event": "call", "call": "sethostname", "arguments": ["\\"web\\"", "3"], "result": "0", "text": "...", ...}
    {"event": "ends", "step": "Set the host name", "microseconds": 31, ...}

Every line has the `pid` (and `thread`) of the sender in the pid namespace of the command, its role (`process`), and
`nanoseconds` of the monotonic clock. `by` is the pid that made the call: a child's for the execve of a program that
minidock runs. Texts are strace's (minidock/recorder/call_spelling.py). A netlink message is also given as it was sent
(`message`, in hexadecimal). The line of an execve is written when the program runs, or when it has failed. "released"
is the last line of a process that outlives the command.
"""

from __future__ import annotations

import json
import socket
from collections import Counter
from typing import Any

from minidock.explain.trace import look_commands, shell_commands
from minidock.explain.trace.blocks import Event, call_of
from minidock.explain.trace.process_table import ProcessTable
from minidock.explain.trace.trace_output import Output
from minidock.recorder import trace_socket


class JsonStyle:
    """The style `json`."""

    def __init__(self, output: Output) -> None:
        self.output = output
        self.processes = ProcessTable()
        # The number of steps that each thread is in: the child of a fork ends steps that its parent began.
        self.depth: Counter[tuple[int, int]] = Counter()

    def take(self, event: Event, reply: socket.socket | None) -> None:
        if row := self._row(event):
            common = {"pid": event.pid, "thread": event.thread or event.pid, "process": event.who}
            self.output.write(json.dumps({**row, **common, "nanoseconds": event.moment}) + "\n")
        if reply:
            trace_socket.answer(reply, trace_socket.GO)

    def flush(self) -> None:
        """Nothing is left to write: each line was written with its event."""

    def finish(self) -> None:
        """Nothing is left to write: each line was written with its event."""

    def _row(self, event: Event) -> dict[str, Any] | None:
        thread = (event.pid, event.thread)
        if event.what == "begins":
            self.depth[thread] += 1
            title, book, place = event.content
            return {"event": "begins", "step": title, "book": book, "source": place}
        if event.what == "ends" and self.depth[thread]:
            self.depth[thread] -= 1
            return {"event": "ends", "step": event.content[0], "microseconds": event.content[1]}
        if event.what == "released":
            return {"event": "released"}
        if event.what not in ("call", "executed"):
            return None
        call = call_of(event)
        self.processes.note(call)
        row = {"event": "call", "call": call.name, "arguments": call.arguments, "result": call.answer,
               "text": f"{call.question} = {call.answer}", "microseconds": call.microseconds, "step": call.step,
               "source": call.place, "by": call.pid}  # fmt: skip
        if call.wrapper == "netlink" and call.argument(2):
            row["message"] = call.argument(2).hex()
        if command := shell_commands.command(call, self.processes):
            row["shell"] = command
        if look := look_commands.look(call, self.processes):
            row["see"] = look
        return row
