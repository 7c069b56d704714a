"""A bad line between a client and a registry: bytes pass through, until they do not."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

# Gets the bytes on their way to the client, and how many came before on this connection; returns what arrives.
# None breaks the connection off.
Line = Callable[[bytes, int], bytes | None]


class Proxy:
    """Listens on `host`, and passes on to `target` with `line` in between. Counts `connections`."""

    def __init__(self, target: str, line: Line) -> None:
        self._target, self.line = target, line
        self.connections = 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._server.getsockname()[1]}"

    @contextmanager
    def running(self) -> Iterator["Proxy"]:
        thread = threading.Thread(target=self._accept, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown(socket.SHUT_RDWR)
            self._server.close()
            thread.join()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._server.accept()
                self.connections += 1
                host, _, port = self._target.rpartition(":")
                server = socket.create_connection((host, int(port)))
                threading.Thread(target=self._pass, args=(client, server, lambda data, _: data), daemon=True).start()
                threading.Thread(target=self._pass, args=(server, client, self.line), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, line: Line) -> None:
        passed = 0
        with suppress(OSError):
            while data := source.recv(16384):
                changed = line(data, passed)
                if changed is None:
                    break
                target.sendall(changed)
                passed += len(data)
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


def cut_after(limit: int) -> Line:
    """Each connection breaks off after so many bytes."""

    def line(data: bytes, passed: int) -> bytes | None:
        return data if passed + len(data) <= limit else None

    return line


def corrupt_once(at: int) -> Line:
    """One bit is wrong, behind the first `at` bytes of some connection, and never again."""
    done = threading.Event()

    def line(data: bytes, passed: int) -> bytes | None:
        if passed < at or done.is_set():
            return data
        done.set()
        return data[:-1] + bytes([data[-1] ^ 1])

    return line


def slow(seconds: float) -> Line:
    """Each piece takes its time."""

    def line(data: bytes, _: int) -> bytes | None:
        time.sleep(seconds)
        return data

    return line
