"""Who is attached to a container: a socket, and everybody who came in through it.

A `AttachedClient` is a command that has a channel to the monitor: the one that started the container, which came with
it, and any number of others who connect to the container's socket later. Bytes do not go through that channel. A
visitor sends descriptors of its own standard output and error, which the monitor writes to, and is sent the one that
the container's input goes into.

    visitor -> monitor   "sink" (stream) + descriptor; "terminal" + descriptor: whose mode to restore if it is killed
                         "attach" (input): begin; "signal" (number); "input-end"; "detach"
                         "look": something changed in the record; "networks": it is on other networks now
                         "observe" + descriptor: tell whoever is there what this process does (`recorder.py`)
    monitor -> visitor   "ready" (console) + where input goes, if anywhere; "hangup": that is gone; "warning" (line);
                         "broken" (stream, why): it cannot be written to
                         "networks" (warnings): names are known inside; "detached"
                         at last, and to everybody: "exit" (code, undone)
"""

from __future__ import annotations

import errno
import os
import select
import signal
import socket
from contextlib import suppress
from typing import Any

from minidock import observe, state
from minidock.engine import paths
from minidock.engine.monitor.container_process import Running
from minidock.engine.monitor.daemonize import ENDING, NAMELESS
from minidock.engine.monitor.output import Sink
from minidock.engine.monitor.streams import Events, poll
from minidock.linux import sockets, terminal
from minidock.observe import Observer
from minidock.runtime.channel import Channel, Message


class AttachedClient:
    """One command at the other end of a channel. `patient`: it started the container, which waits for its reader."""

    def __init__(self, channel: Channel, *, patient: bool = False) -> None:
        self.channel = channel
        self.patient = patient
        self.present = True
        self.gives_input = False
        self.sinks: dict[str, Sink] = {}
        self.terminal: tuple[int, list[Any]] | None = None  # with the mode that it had
        self.recorders: list[Observer] = []  # what tells it all that this process does

    def tell(self, kind: str, fd: int | None = None, **content: Any) -> None:
        """Send a message. If nobody is there to read it, the next look at the channel will find its end."""
        if self.present:
            with suppress(BrokenPipeError, ConnectionResetError, BlockingIOError):
                self.channel.send(kind, fd, **content)

    def remember_terminal(self, fd: int) -> None:
        """Keep a terminal to put it right if the visitor is killed before it can."""
        mode = terminal.mode(fd)
        if mode is None:
            os.close(fd)
        else:
            self.terminal = fd, mode

    @property
    def is_attached(self) -> bool:
        """Whether it has any of the container's streams."""
        return self.gives_input or bool(self.sinks)

    @property
    def is_behind(self) -> bool:
        """Whether there is output that it has not yet taken."""
        return any(sink.rest for sink in self.sinks.values())

    def leave(self, *, killed: bool) -> None:
        """Close everything of the visitor's but its sinks."""
        self.present = False
        self.channel.close()
        if self.terminal:
            if killed:
                terminal.restore(*self.terminal)
            os.close(self.terminal[0])
            self.terminal = None


def _listen(path: str) -> socket.socket:
    state.directory(paths.run_directory(), "containers")
    return sockets.listen(path)


class AttachedClients:
    """All of a container's visitors, and the socket that they come through."""

    def __init__(self, first: AttachedClient | None, *, ends_with_first: bool = False) -> None:
        self.all = [first] if first else []
        self.ends_with_first = ends_with_first  # the container, if its command is killed
        self.listener: socket.socket | None = None
        self.path = ""  # the listener's name
        self.is_asked_to_look = False
        self.starts_again = False  # the container: who wanted to be told what this process does is told of that too
        self.waiting_for_names: list[AttachedClient] = []

    def open(self, container_id: str) -> None:
        """Let others in."""
        if self.listener is None:
            self.path = paths.socket_path(container_id)
            with suppress(FileNotFoundError):  # of a monitor that was killed
                os.unlink(self.path)
            self.listener = _listen(self.path)
            signal.signal(NAMELESS, self._open_again)

    def take_up(self, listener: int, container_id: str) -> None:
        """Go on listening at a descriptor that came through execve(2)."""
        self.path = paths.socket_path(container_id)
        self.listener = socket.socket(fileno=listener)
        self.listener.setblocking(False)
        signal.signal(NAMELESS, self._open_again)
        self._open_again()

    def _open_again(self, *_: object) -> None:
        """Where the socket's name is gone, listen at a new one (`monitor_channel.py`).

        Under the old one's number: that is what is being waited for in this moment, and again after a signal.
        """
        with suppress(OSError):
            if self.listener and not os.path.lexists(self.path):
                with _listen(self.path) as fresh:
                    os.dup2(fresh.fileno(), self.listener.fileno(), inheritable=False)

    def close(self) -> None:
        """Let nobody in any more. Who has come so far is told how it ended, like all others."""
        if self.listener:
            with suppress(FileNotFoundError):  # first, or somebody could still come behind the last one let in
                os.unlink(self.path)
            with suppress(BlockingIOError):
                while True:
                    self._let_in(None)
            self.listener.close()
            self.listener = None

    def wants(self) -> Events:
        """Everybody who could say something."""
        wanted = {visitor.channel.end.fileno(): select.POLLIN for visitor in self.all}
        if self.listener:
            wanted[self.listener.fileno()] = select.POLLIN
        return wanted

    def serve(self, ready: Events, running: Running | None) -> None:
        """Listen to who has something to say. `running`: what they talk about, if it runs at the moment."""
        for visitor in list(self.all):
            if visitor.channel.end.fileno() in ready:
                self._listen(visitor, running)
        if self.listener and self.listener.fileno() in ready:
            with suppress(BlockingIOError):
                self._let_in(running)

    def _let_in(self, running: Running | None) -> None:
        assert self.listener
        end, _ = self.listener.accept()
        end.setblocking(False)
        visitor = AttachedClient(Channel(end))
        self.all.append(visitor)
        # What it has said already counts before anything else is done: the container may have ended at this moment.
        while visitor.present and poll({end.fileno(): select.POLLIN}, 0):
            self._listen(visitor, running)

    def tell_all(self, kind: str, **content: Any) -> None:
        """Tell everybody the same."""
        for visitor in self.all:
            visitor.tell(kind, **content)

    def sink_broke(self, sink: Sink) -> None:
        """Say why somebody gets no more output. As docker's client, it leaves then, and the container goes on.

        Unless it is only too slow: it may read on what it has, and learns how the container ends.
        """
        for visitor in self.all:
            for name, its in visitor.sinks.items():
                if its is sink and sink.broken and sink.broken.errno == errno.ETIMEDOUT:
                    visitor.tell("warning", line=f"the container's output cannot be written: {sink.broken.strerror}")
                elif its is sink and sink.broken:
                    visitor.tell("broken", stream=name, why=(sink.broken.strerror or "").lower())

    def send_away(self, visitor: AttachedClient, running: Running | None, *, killed: bool = False) -> None:
        """It is gone, or has heard everything: hold nothing of it. The container goes on, as in docker."""
        self.all.remove(visitor)
        if visitor.patient:
            observe.release()
        for recorder in visitor.recorders if not self.starts_again else ():
            recorder.released()
        visitor.leave(killed=killed)
        for sink in visitor.sinks.values():
            if running:
                running.drop(sink)

    def admit(self, visitor: AttachedClient, running: Running) -> None:
        """Connect a visitor to the container's streams, as far as it has given sinks for them."""
        for name, sink in list(visitor.sinks.items()):
            if not running.add(name, sink):
                del visitor.sinks[name]
                sink.close()
        way_in = running.input_fd if visitor.gives_input or running.has_terminal else None  # its size is set there too
        visitor.tell("ready", way_in, console=running.has_terminal)

    def end_input(self, running: Running) -> None:
        """The container's input ends, whoever gave any; of a terminal's input, the end is that it was hung up."""
        if running.input_fd is not None:
            running.close_input()
            self.tell_all("hangup")

    def _listen(self, visitor: AttachedClient, running: Running | None) -> None:
        message, fd = visitor.channel.receive()
        if message is not None:
            self._obey(visitor, message, fd, running)
            return
        self.send_away(visitor, running, killed=True)
        if running and visitor.patient and self.ends_with_first:
            running.signal(signal.SIGKILL)
        if running and running.once and visitor.gives_input and not running.has_terminal:
            self.end_input(running)

    def _obey(self, visitor: AttachedClient, message: Message, fd: int | None, running: Running | None) -> None:
        kind = message["type"]
        if kind == "sink" and fd is not None:
            visitor.sinks[message["stream"]] = Sink(fd, patient=visitor.patient)
        elif kind == "terminal" and fd is not None:
            visitor.remember_terminal(fd)
        elif kind == "observe" and fd is not None:
            from minidock.recorder import recorder

            visitor.recorders.append(recorder.join(fd))
        elif kind == "look":
            self.is_asked_to_look = True
        elif kind == "detach":
            visitor.tell("detached")
            self.send_away(visitor, running)
        elif running and kind == "attach":
            visitor.gives_input = message["input"]
            self.admit(visitor, running)
        elif running and kind == "networks":
            self.waiting_for_names.append(visitor)
        elif running and kind == "input-end" and running.once:
            self.end_input(running)
        elif running and kind == "signal":
            self._pass_on(visitor, message["number"], running)

    def _pass_on(self, visitor: AttachedClient, number: int, running: Running) -> None:
        if not running.ended:
            running.signal(number)
        elif number in ENDING:  # somebody does not want to wait for a reader that does not read
            self.send_away(visitor, running)
