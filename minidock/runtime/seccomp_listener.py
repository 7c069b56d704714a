"""The listener of a seccomp filter: who decides about the calls for which the filter says SCMP_ACT_NOTIFY.

    the creator            connects to `listenerPath`, a socket of the host's that a container does not see, and passes
                           the connection on
    the container's process  installs the filter, and sends the listener's descriptor over that connection

With the descriptor comes a text that says whose it is (OCI config-linux.md, "The Container Process State"). A program
at the other end then receives each such call, and answers for the kernel (seccomp_unotify(2)).
"""

from __future__ import annotations

import json
import os
import socket

from minidock.errors import HostError, SetupError
from minidock.linux import syscalls
from minidock.named_tuple import NamedTuple
from minidock.runtime import hooks
from minidock.runtime.channel import Channel
from minidock.runtime.oci_spec import Spec

_NEW_LISTENER, _TSYNC, _TSYNC_ESRCH = 1 << 3, 1 << 0, 1 << 4  # <linux/seccomp.h>
_LONGEST = 1 << 15  # bytes of the text


class Listener(NamedTuple):
    """The connection to who will listen, and the text to send."""

    end: socket.socket
    text: str


def path(spec: Spec) -> str:
    """Where the host's program listens; "" if the filter asks nobody."""
    found: str = (spec.linux.get("seccomp") or {}).get("listenerPath") or ""
    return found


def pass_on(channel: Channel, spec: Spec, pid: int, known: hooks.State) -> None:
    """In the creator: connect, and pass the connection on to process `pid`. `known`: the container's state.

    Raises `HostError` if nobody listens.
    """
    if not path(spec):
        return
    text = json.dumps({
        "ociVersion": spec.config["ociVersion"], "fds": ["seccompFd"], "pid": pid,
        "metadata": spec.linux["seccomp"].get("listenerMetadata") or "",
        "state": known,
    })  # fmt: skip
    if len(text) > _LONGEST:
        raise HostError("seccomp: what there is to tell the listener is too long (annotations, listenerMetadata)")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as end:
        try:
            end.connect(path(spec))
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise HostError(
                f"seccomp: failed to connect with seccomp agent on listenerPath {path(spec)}: {reason}"
            ) from error
        channel.send("listener", end.fileno(), text=text)


def take(channel: Channel, spec: Spec) -> Listener | None:
    """In the process: what `pass_on` sends, if the filter asks anybody."""
    if not path(spec):
        return None
    message, fd = channel.receive()
    if message is None or message["type"] != "listener" or fd is None:
        raise SetupError("the connection to the filter's listener is lost")
    return Listener(socket.socket(fileno=fd), message["text"])


def install(program: bytes, flags: int, listener: Listener | None) -> None:
    """Install the filter. Raises `SetupError` if it does not let its own listener be sent."""
    if listener is None:
        syscalls.seccomp_set_filter(program, flags)
        return
    both = _TSYNC_ESRCH if flags & _TSYNC else 0  # or the kernel could not tell a descriptor from a thread's number
    fd = syscalls.seccomp_set_filter(program, flags | _NEW_LISTENER | both)
    try:
        socket.send_fds(listener.end, [listener.text.encode(errors="surrogateescape")], [fd])
    except OSError as error:
        raise SetupError(f"seccomp: the listener cannot be sent: {os.strerror(error.errno or 0)}") from error
    finally:
        listener.end.close()
        os.close(fd)
