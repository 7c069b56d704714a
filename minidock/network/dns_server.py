"""The container's name server at 127.0.0.11: it resolves the names of other containers, and forwards other questions.

Why a name server, and not lines in every container's hosts file, which need no process? They would have to be written
into all containers of a network whenever one joins or leaves: a hundred files for the hundredth. A file that is
bind-mounted into a container can only be changed in place, so a reader may see half of it. And `nslookup web`, or a
proxy that resolves names itself, does not read the hosts file.

It is a thread of the container's monitor. Its sockets are created in the container's network namespace (a socket stays
where it was created), so they are on the container's own loopback interface and only reached from inside. The
container's program may need port 53 there, so they have other ports, and two rules in that namespace lead from 53 to
them. Docker's resolver works in the same way.

Messages are parsed and written by dnslib, which is imported at the first question. What was answered once is sent again
to who asks the same, as long as no name has changed (`dns_answers.py`). Questions to the host's servers, and
their answers, are forwarded unchanged. RFC 1035.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from minidock.errors import HostError
from minidock.linux import nftables, rtnetlink
from minidock.linux.nftables import MissingCommandError
from minidock.named_tuple import NamedTuple
from minidock.network import dns_messages
from minidock.network.dns_answers import Answers
from minidock.network.dns_names import Names, address_of
from minidock.observe import step

ADDRESS = "127.0.0.11"
DNS = 53
_SAFE = 512  # bytes of an answer by UDP, unless the question allows more (RFC 1035, 4.2.1; RFC 6891)
_LARGEST = 65535
_TIMEOUT = 3.0  # seconds for one server to answer
_IDLE = 10.0  # seconds after which a silent connection is closed
_AT_ONCE = 100  # threads, one for each question
_TTL = 0  # seconds that an answer may be cached: names can change at any moment
_RULES = """\
create table ip minidock
table ip minidock {{
    chain output {{
        type nat hook output priority -100;
        ip daddr {address} udp dport 53 dnat to {address}:{udp}
        ip daddr {address} tcp dport 53 dnat to {address}:{tcp}
    }}
}}
"""

_INSTEAD = "table ip minidock\ndelete table ip minidock\n"  # before the rules: replaces those of an earlier resolver

Exchange = Callable[["Server", bytes], bytes]


class Server(NamedTuple):
    """A name server to forward to: one on the host's loopback from the host, any other from the container."""

    address: str
    from_host: bool


class Resolver:
    """It answers from `start` to `close`."""

    def __init__(
        self, names: Names, servers: list[Server], netns_fd: int, sockets: tuple[int, int] | None = None
    ) -> None:
        """`sockets`: those of an earlier resolver (`pause`), instead of new ones."""
        self.names = names
        self._answers = Answers(names)
        self.servers = servers
        self._room = threading.BoundedSemaphore(_AT_ONCE)
        self._last = time.monotonic()  # time of the last question
        self._thread: threading.Thread | None = None
        self._redirect: nftables.Change | None = None  # rules from port 53 to our sockets that nft is applying
        self._netns = os.dup(netns_fd)
        self._end = os.eventfd(0, os.EFD_CLOEXEC)
        if sockets:
            self._udp, self._tcp = (socket.socket(fileno=fd) for fd in sockets)
            return
        try:
            self._begin()
        except BaseException:
            self._close_descriptors()
            raise

    def _begin(self) -> None:
        try:
            with rtnetlink.entered(self._netns):
                with rtnetlink.Rtnetlink() as inside:
                    inside.set_up("lo")  # the container's first process may not have done it yet
                self._listen(0)
                self._redirect = nftables.Change(self._rules())
        except MissingCommandError:
            self._take_port_53()

    def _rules(self) -> str:
        udp, tcp = self._udp.getsockname()[1], self._tcp.getsockname()[1]
        return _RULES.format(address=ADDRESS, udp=udp, tcp=tcp)

    def _finish_redirect(self, redirect: nftables.Change) -> None:
        """Wait for nft. Taking old rules away costs it ten times as much as writing new ones, and nearly always there
        are none, so it is first tried without."""
        try:
            redirect.end()
        except HostError:
            try:
                with step("Replace the rules of an earlier name server", book="4.1.1"), rtnetlink.entered(self._netns):
                    nftables.nft(_INSTEAD + self._rules())
            except HostError:
                self._take_port_53()

    def _take_port_53(self) -> None:
        """For kernels without address translation: the container's program cannot use port 53 then."""
        self._udp.close()
        self._tcp.close()
        with rtnetlink.entered(self._netns):
            self._listen(DNS)

    def _listen(self, port: int) -> None:
        """Create the two sockets in the network namespace that this thread is in."""
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        for listener in (self._udp, self._tcp):
            listener.bind((ADDRESS, port))
        self._tcp.listen()

    def start(self) -> None:
        """Begin to answer questions."""
        if self._redirect:
            self._finish_redirect(self._redirect)
            self._redirect = None
        self._thread = threading.Thread(target=self._run, name="resolver", daemon=True)
        self._thread.start()

    def is_quiet(self, seconds: float) -> bool:
        """Whether there was no question for that many seconds."""
        return time.monotonic() - self._last > seconds

    def pause(self) -> tuple[int, int]:
        """Stop answering: returns the sockets, in which questions wait for the next `start` or resolver."""
        assert self._thread, "it has been started"
        os.eventfd_write(self._end, 1)
        self._thread.join()
        os.eventfd_read(self._end)
        return self._udp.fileno(), self._tcp.fileno()

    def close(self) -> None:
        """Stop answering, and close everything."""
        if self._thread:
            os.eventfd_write(self._end, 1)
            self._thread.join()
        if self._redirect:
            with suppress(HostError):
                self._redirect.end()
        self._udp.close()
        self._tcp.close()
        self._close_descriptors()

    def _close_descriptors(self) -> None:
        os.close(self._end)
        os.close(self._netns)

    def _run(self) -> None:
        poll = select.poll()
        for fd in (self._end, self._udp.fileno(), self._tcp.fileno()):
            poll.register(fd, select.POLLIN)
        while True:
            ready = [fd for fd, _ in poll.poll()]
            if self._end in ready:
                return
            self._last = time.monotonic()
            with suppress(OSError):  # the client has gone
                if self._udp.fileno() in ready:
                    question, client = self._udp.recvfrom(_LARGEST)
                    if answer := self._answers.find(question):
                        self._udp.sendto(answer, client)
                    else:
                        self._in_a_thread(self._serve_datagram, question, client)
                if self._tcp.fileno() in ready:
                    self._in_a_thread(self._serve_connection, self._tcp.accept()[0])

    def _in_a_thread(self, serve: Callable[..., None], *arguments: Any) -> None:
        """Answer in a thread, so that slow servers delay no other question. Too many at a time are dropped."""
        if not self._room.acquire(blocking=False):
            return

        def run() -> None:
            try:
                serve(*arguments)
            except (OSError, ValueError):
                return  # the client has gone, or its question is malformed
            finally:
                self._room.release()

        try:
            threading.Thread(target=run, name="question", daemon=True).start()
        except RuntimeError:  # the host cannot create another thread
            self._room.release()

    def _serve_datagram(self, question: bytes, client: Any) -> None:
        self._udp.sendto(self._answer(question, self._ask_by_datagram, limit=_SAFE, keep=True), client)

    def _serve_connection(self, connection: socket.socket) -> None:
        """Answer questions, each after its length in two bytes (RFC 1035, 4.2.2), until the client closes."""
        with connection:
            connection.settimeout(_IDLE)
            while question := dns_messages.read(connection):
                answer = self._answer(question, self._ask_by_connection, limit=_LARGEST)
                connection.sendall(struct.pack("!H", len(answer)) + answer)

    def _answer(self, question: bytes, ask: Exchange, limit: int, *, keep: bool = False) -> bytes:
        """The answer to a question, from here or another server. Raises ValueError for a malformed question.

        `keep`: remember it, if it is from here.
        """
        from dnslib import RCODE, DNSError, DNSRecord

        try:
            record = DNSRecord.parse(question)
            assert record.questions
        except (DNSError, AssertionError) as error:
            raise ValueError("no question") from error
        mark = self._answers.mark()
        known = self._known(record)
        rotations = max(len(known.rr), 1) if known and keep else 0
        if known is None and self.names.has_way_out():
            for server in self.servers:
                with suppress(OSError):
                    return ask(server, question)
        if known is None:
            known = record.reply(aa=0)
            known.header.rcode = RCODE.SERVFAIL
        room = max([limit, *(extra.rclass for extra in record.ar if extra.rtype == 41)])  # OPT, RFC 6891
        answer = dns_messages.packed(known, room)
        if rotations:
            self._answers.keep(question, answer, rotations, mark)
        return answer

    def _known(self, record: Any) -> Any:
        """The answer if the question is about a container, else None."""
        from dnslib import AAAA, PTR, QTYPE, RR, A

        question = record.questions[0]
        name, kind = str(question.qname), QTYPE.get(question.qtype)
        reply = record.reply(ra=1, aa=0)
        if kind == "PTR":
            address = address_of(name)
            owner = self.names.name(address) if address else None
            if owner:
                reply.add_answer(RR(question.qname, QTYPE.PTR, rdata=PTR(f"{owner}."), ttl=_TTL))
            return reply if owner else None
        found = self.names.addresses(name)
        if found is None:
            return None
        rows = {"A": [A(text) for text in found.ipv4], "AAAA": [AAAA(text) for text in found.ipv6]}.get(kind, [])
        first = record.header.id % len(rows) if rows else 0  # rotate, so that each address comes first at times
        for data in rows[first:] + rows[:first]:
            reply.add_answer(RR(question.qname, question.qtype, rdata=data, ttl=_TTL))
        return reply

    def _ask_by_datagram(self, server: Server, question: bytes) -> bytes:
        with self._socket(server, socket.SOCK_DGRAM) as outside:
            outside.send(question)
            while True:
                answer = outside.recv(_LARGEST)
                if answer[:2] == question[:2]:  # the number of the question
                    return answer

    def _ask_by_connection(self, server: Server, question: bytes) -> bytes:
        with self._socket(server, socket.SOCK_STREAM) as outside:
            outside.sendall(struct.pack("!H", len(question)) + question)
            return dns_messages.read(outside)

    def _socket(self, server: Server, kind: socket.SocketKind) -> socket.socket:
        """A socket connected to the server, created in the namespace from which it is reached."""
        family = socket.AF_INET6 if ":" in server.address else socket.AF_INET
        if server.from_host:
            outside = socket.socket(family, kind)
        else:
            with rtnetlink.entered(self._netns):  # this thread only
                outside = socket.socket(family, kind)
        outside.settimeout(_TIMEOUT)
        try:
            outside.connect((server.address, DNS))
        except BaseException:
            outside.close()
            raise
        return outside
