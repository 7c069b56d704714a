"""A container's process in its monitor: one run, from its creation to its last byte of output."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from minidock.engine.monitor.output import Output, Receiver
from minidock.engine.monitor.streams import Events

if TYPE_CHECKING:
    from minidock.engine.monitor.out_of_memory import Watch
    from minidock.network.dns_server import Resolver
    from minidock.network.host_ports import BoundPorts
    from minidock.runtime.lifecycle import CreatedProcess


class Running:
    """`input_fd`: where its input goes, a pipe's end or its terminal's master; None if it has none, or its input has
    ended.

    `once`: the input ends with that of the first client that gives any, as that of a command in a pipeline. `ports`
    keeps the host's ports that lead to it.
    """

    def __init__(
        self,
        created: CreatedProcess,
        outputs: list[Output],
        input_fd: int | None,
        *,
        once: bool,
        ports: BoundPorts | None,
    ) -> None:
        self.created = created
        self.outputs = outputs
        self.input_fd = input_fd
        self.once = once
        self.ports = ports
        self.resolver: Resolver | None = None  # if its networks have names
        # The other end of its terminal, held open: when all processes inside have closed it, the terminal still exists.
        self.peer: int | None = None
        self.memory: Watch | None = None  # if the kernel counts what it kills for want of that
        self.ended = False

    @property
    def has_terminal(self) -> bool:
        """Whether its streams are one pseudo-terminal."""
        return self.created.console is not None

    @property
    def timeout(self) -> float | None:
        """How long to wait at most, in seconds, until a reader that takes nothing is dropped."""
        receivers = [receiver for output in self.outputs for receiver in output.receivers]
        return 1.0 if any(receiver.pending and not receiver.lossless for receiver in receivers) else None

    def wants(self) -> Events:
        """The descriptors and events that its outputs wait for."""
        return {fd: events for output in self.outputs for fd, events in output.wants().items()}

    def serve(self, ready: Events) -> list[Receiver]:
        """Move output on; returns the receivers that broke."""
        broken = []
        for output in self.outputs:
            output.serve(ready)
            broken += output.drop_broken()
        return broken

    def add(self, name: str, receiver: Receiver) -> bool:
        """Have output `name` given to `receiver` as well; False if that output has ended."""
        for output in self.outputs:
            if output.name == name and not output.over:
                output.receivers.append(receiver)
                return True
        return False

    def drop(self, receiver: Receiver) -> None:
        """Remove `receiver` from all outputs."""
        for output in self.outputs:
            if receiver in output.receivers:
                output.drop(receiver)

    def close_input(self) -> None:
        """Close its input, if this process has it open."""
        if self.input_fd is not None and not self.has_terminal:  # a terminal is one of the outputs too
            os.close(self.input_fd)
        self.input_fd = None

    def signal(self, number: int) -> None:
        """Send it a signal. If it ended just now, the next look at its pidfd tells."""
        try:
            self.created.signal(number)
        except ProcessLookupError:
            return

    def drain(self) -> None:
        """It has ended: take what it left in its pipes, close them and all that belonged to the process."""
        for output in self.outputs:
            if not output.over:
                output.drain()
        if log := self.outputs[0].log:
            log.close()
        if self.ports:
            self.ports.close()
        if self.resolver:
            self.resolver.close()
        self.close_input()
        if self.peer is not None:
            os.close(self.peer)
        os.close(self.created.pidfd)
        self.ended = True
