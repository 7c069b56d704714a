"""The commands that are attached to a container, and the socket through which others connect.

An `AttachedClient` is a command that has a channel to the monitor: the one that started the container, which came with
it, and any number of others that connect to the container's socket later. Bytes do not go through that channel. A
client sends descriptors of its own standard output and error, which the monitor writes to, and is sent the one that
the container's input goes into.

    client -> monitor   "send-output" (stream, lossless) + descriptor: write that stream there
                        "restore-terminal" + descriptor: restore its mode if the client is killed
                        "attach" (input): begin; "signal" (number): for the container; "close-input"; "detach"
                        "read-record": something changed in it; "update-networks": so did the container's networks
                        "observe" + descriptor: report there what this process does (`trace_socket.py`)
    monitor -> client   "ready" (console) + where input goes, if anywhere; "input-closed": no more of it is taken
                        "output-broken" (stream, why): it cannot be written to; "warning" (line)
                        "networks-updated" (warnings): names are known inside; "detached"
                        at the end, to all clients: "exit" (code, undone)
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
from minidock.engine import state_paths
from minidock.engine.monitor.container_process import Running
from minidock.engine.monitor.daemonize import ENDING, NAMELESS
from minidock.engine.monitor.output import Receiver
from minidock.engine.monitor.streams import Events, poll
from minidock.linux import sockets, terminal
from minidock.observe import Observer
from minidock.runtime.channel import Channel, Message


class AttachedClient:
    """One attached command. `lossless`: it started the container, whose output waits until it is read."""

    def __init__(self, channel: Channel, *, lossless: bool = False) -> None:
        self.channel = channel
        self.lossless = lossless
        self.present = True
        self.is_expected = False  # it waited for this start, and has not yet sent which streams it wants
        self.gives_input = False
        self.receivers: dict[str, Receiver] = {}
        self.terminal: tuple[int, list[Any]] | None = None  # with the mode that it had
        self.recorders: list[Observer] = []  # send it the steps and calls of this process

    def send(self, kind: str, fd: int | None = None, **content: Any) -> None:
        """Send a message. If the client is gone, the next read of the channel finds its end."""
        if self.present:
            with suppress(BrokenPipeError, ConnectionResetError, BlockingIOError):
                self.channel.send(kind, fd, **content)

    def remember_terminal(self, fd: int) -> None:
        """Keep the client's terminal, to restore its mode if the client is killed."""
        mode = terminal.mode(fd)
        if mode is None:
            os.close(fd)
        else:
            self.terminal = fd, mode

    @property
    def is_attached(self) -> bool:
        """Whether it has any of the container's streams."""
        return self.gives_input or bool(self.receivers)

    @property
    def is_behind(self) -> bool:
        """Whether there is output that it has not yet taken."""
        return any(receiver.pending for receiver in self.receivers.values())

    def leave(self, *, killed: bool) -> None:
        """Close everything of the client's but its receivers."""
        self.present = False
        self.channel.close()
        if self.terminal:
            if killed:
                terminal.restore(*self.terminal)
            os.close(self.terminal[0])
            self.terminal = None


def _listen(path: str) -> socket.socket:
    state.directory(state_paths.run_directory(), "containers")
    return sockets.listen(path)


class AttachedClients:
    """All of a container's clients, and the socket that they come through."""

    def __init__(self, first: AttachedClient | None, *, ends_with_first: bool = False) -> None:
        self.all = [first] if first else []
        self.ends_with_first = ends_with_first  # the container, if its command is killed
        self.listener: socket.socket | None = None
        self.path = ""  # the listener's name
        self.must_read_record = False
        self.starts_again = False  # the container: clients that observe this process receive its steps from then on too
        self.waiting_for_networks: list[AttachedClient] = []

    def open(self, container_id: str) -> None:
        """Listen on the container's socket."""
        if self.listener is None:
            self.path = state_paths.socket_path(container_id)
            with suppress(FileNotFoundError):  # of a monitor that was killed
                os.unlink(self.path)
            self.listener = _listen(self.path)
            signal.signal(NAMELESS, self._listen_again)

    def listen_at(self, listener: int, container_id: str) -> None:
        """Go on listening on a descriptor that was kept over execve(2)."""
        self.path = state_paths.socket_path(container_id)
        self.listener = socket.socket(fileno=listener)
        self.listener.setblocking(False)
        signal.signal(NAMELESS, self._listen_again)
        self._listen_again()

    def _listen_again(self, *_: object) -> None:
        """If the socket's name is gone, listen on a new socket (`monitor_channel.py`).

        The new socket gets the old one's descriptor: poll(2) is waiting for that number at this moment.
        """
        with suppress(OSError):
            if self.listener and not os.path.lexists(self.path):
                with _listen(self.path) as fresh:
                    os.dup2(fresh.fileno(), self.listener.fileno(), inheritable=False)

    def close(self) -> None:
        """Stop listening. Clients that have connected so far receive the exit like all others."""
        if self.listener:
            with suppress(FileNotFoundError):  # first, or a client could connect after the last accept
                os.unlink(self.path)
            with suppress(BlockingIOError):
                while True:
                    self._accept(None)
            self.listener.close()
            self.listener = None

    def take_in(self, channels: list[Channel]) -> None:
        """Add the clients that have waited for this start (`waiting_clients.py`)."""
        for channel in channels:
            client = AttachedClient(channel)
            client.is_expected = True
            self.all.append(client)

    def attach_expected(self, running: Running, seconds: float) -> None:
        """Attach the clients that waited before the program begins, so that they miss no output. Those that send
        nothing within the timeout are dropped.
        """
        while expected := [client for client in self.all if client.is_expected]:
            ready = poll({client.channel.end.fileno(): select.POLLIN for client in expected}, seconds)
            self.serve(ready, running)
            for client in expected if not ready else ():
                self.disconnect(client, running)

    def wants(self) -> Events:
        """The descriptors to poll: all clients' channels and the socket."""
        wanted = {client.channel.end.fileno(): select.POLLIN for client in self.all}
        if self.listener:
            wanted[self.listener.fileno()] = select.POLLIN
        return wanted

    def serve(self, ready: Events, running: Running | None) -> None:
        """Handle the messages that have arrived. `running`: the container's process, if it runs."""
        for client in list(self.all):
            if client.channel.end.fileno() in ready:
                self._receive(client, running)
        if self.listener and self.listener.fileno() in ready:
            with suppress(BlockingIOError):
                self._accept(running)

    def _accept(self, running: Running | None) -> None:
        assert self.listener
        end, _ = self.listener.accept()
        end.setblocking(False)
        client = AttachedClient(Channel(end))
        self.all.append(client)
        # Handle what a new client has sent already, before anything else: the container may end at this moment.
        while client.present and poll({end.fileno(): select.POLLIN}, 0):
            self._receive(client, running)

    def send_all(self, kind: str, **content: Any) -> None:
        """Send a message to all clients."""
        for client in self.all:
            client.send(kind, **content)

    def receiver_broke(self, receiver: Receiver) -> None:
        """Tell a client why it gets no more output. It then leaves, as docker's client does, and the container goes on.

        A client that is only too slow stays: it may read what it has, and receives the container's exit.
        """
        for client in self.all:
            for name, its in client.receivers.items():
                if its is receiver and receiver.broken and receiver.broken.errno == errno.ETIMEDOUT:
                    client.send("warning", line=f"the container's output cannot be written: {receiver.broken.strerror}")
                elif its is receiver and receiver.broken:
                    client.send("output-broken", stream=name, why=(receiver.broken.strerror or "").lower())

    def disconnect(self, client: AttachedClient, running: Running | None, *, killed: bool = False) -> None:
        """Forget a client that is gone or has received the exit, and close its descriptors. The container goes on, as
        in docker.
        """
        self.all.remove(client)
        if client.lossless:
            observe.release()
        for recorder in client.recorders if not self.starts_again else ():
            recorder.released()
        client.leave(killed=killed)
        for receiver in client.receivers.values():
            if running:
                running.drop(receiver)

    def attach(self, client: AttachedClient, running: Running) -> None:
        """Connect a client to the container's streams, as far as it has given receivers for them."""
        for name, receiver in list(client.receivers.items()):
            if not running.add(name, receiver):
                del client.receivers[name]
                receiver.close()
        input_fd = running.input_fd if client.gives_input or running.has_terminal else None  # its size is set there too
        client.send("ready", input_fd, console=running.has_terminal)

    def end_input(self, running: Running) -> None:
        """End the container's input, whichever client gave any. A terminal's input ends by a hang-up."""
        if running.input_fd is not None:
            running.close_input()
            self.send_all("input-closed")

    def _receive(self, client: AttachedClient, running: Running | None) -> None:
        message, fd = client.channel.receive()
        if message is not None:
            self._handle(client, message, fd, running)
            return
        self.disconnect(client, running, killed=True)
        if running and client.lossless and self.ends_with_first:
            running.signal(signal.SIGKILL)
        if running and running.once and client.gives_input and not running.has_terminal:
            self.end_input(running)

    def _handle(self, client: AttachedClient, message: Message, fd: int | None, running: Running | None) -> None:
        kind = message["type"]
        if kind == "send-output" and fd is not None:
            client.receivers[message["stream"]] = Receiver(
                fd, lossless=client.lossless or message.get("lossless", False)
            )
        elif kind == "restore-terminal" and fd is not None:
            client.remember_terminal(fd)
        elif kind == "observe" and fd is not None:
            from minidock.recorder import trace_socket

            client.recorders.append(trace_socket.join(fd))
        elif kind == "read-record":
            self.must_read_record = True
        elif kind == "detach":
            client.send("detached")
            self.disconnect(client, running)
        elif running and kind == "attach":
            client.is_expected = False
            client.gives_input = message["input"]
            self.attach(client, running)
        elif running and kind == "update-networks":
            self.waiting_for_networks.append(client)
        elif running and kind == "close-input" and running.once:
            self.end_input(running)
        elif running and kind == "signal":
            self._pass_on(client, message["number"], running)

    def _pass_on(self, client: AttachedClient, number: int, running: Running) -> None:
        if not running.ended:
            running.signal(number)
        elif number in ENDING:  # the client asks not to wait for a reader that does not read
            self.disconnect(client, running)
