"""What a process has besides its user: limits, scheduling, labels, signals, a keyring (OCI config.md, "Process")."""

from __future__ import annotations

import os
import resource
import signal
from typing import Any

from minidock.errors import HostError, UsageError
from minidock.linux import lsm, scheduling, syscalls
from minidock.observe import observed, step

_setrlimit = observed("setrlimit", resource.setrlimit)

_PERSONALITIES = {"LINUX": 0, "LINUX32": 8}  # <linux/personality.h>


def check(process: dict[str, Any], linux: dict[str, Any]) -> None:
    """Raises `UsageError` for words that the kernel has no number for."""
    scheduler, priority = process.get("scheduler"), process.get("ioPriority")
    if scheduler:
        _among("process.scheduler.policy", [scheduler.get("policy")], scheduling.POLICIES)
        _among("process.scheduler.flags", scheduler.get("flags") or [], scheduling.FLAGS)
    if priority:
        _among("process.ioPriority.class", [priority["class"]], scheduling.IO_CLASSES)
    if personality := linux.get("personality"):
        _among("linux.personality.domain", [personality["domain"]], _PERSONALITIES)
        if personality.get("flags"):
            raise HostError("linux.personality.flags is not supported: the specification names none")
    for name, text in (process.get("execCPUAffinity") or {}).items():
        try:
            scheduling.processors(text)
        except ValueError:
            raise UsageError(
                f"process.execCPUAffinity.{name} {text!r} is no list of processors such as 0-3,7"
            ) from None


def _among(what: str, words: list[Any], known: dict[str, int]) -> None:
    for word in words:
        if word not in known:
            raise UsageError(f"{what} {word!r} is not known: {', '.join(known)}")


def set_all(process: dict[str, Any], linux: dict[str, Any]) -> None:
    """Set the scheduling, personality and labels that the bundle asks for. Most ask for none."""
    scheduler, priority, personality = process.get("scheduler"), process.get("ioPriority"), linux.get("personality")
    if not (scheduler or priority or personality or process.get("apparmorProfile") or process.get("selinuxLabel")):
        return
    with step("Set scheduling, personality and labels", book="3.2"):
        if scheduler:
            numbers = (scheduler.get(key, 0) for key in ("nice", "priority", "runtime", "deadline", "period"))
            try:
                scheduling.set_policy(scheduler["policy"], scheduler.get("flags") or [], *numbers)
            except OSError as error:
                why = os.strerror(error.errno or 0)
                raise HostError(f"process.scheduler: the kernel refuses {scheduler['policy']}: {why}") from error
        if priority:
            scheduling.set_io_priority(priority["class"], priority.get("priority", 0))
        if personality:
            syscalls.personality(_PERSONALITIES[personality["domain"]])
        lsm.set_label(process)


def set_affinity(process: dict[str, Any], when: str) -> None:
    """Set the processors that a process of `exec` may use during set-up ("initial") or as the program ("final")."""
    if text := (process.get("execCPUAffinity") or {}).get(when):
        try:
            scheduling.set_affinity(0, scheduling.processors(text))
        except OSError as error:
            raise HostError(f"process.execCPUAffinity {text}: {os.strerror(error.errno or 0)}") from error


def set_limits(process: dict[str, Any]) -> None:
    """Set the resource limits (getrlimit(2))."""
    for limit in process.get("rlimits") or []:
        number = getattr(resource, limit["type"])
        wanted = [-1 if value >= 1 << 63 else value for value in (limit["soft"], limit["hard"])]
        try:
            _setrlimit(number, (wanted[0], wanted[1]))
        except ValueError as error:
            has = resource.getrlimit(number)[1]
            raise HostError(
                f"ulimit {limit['type'].removeprefix('RLIMIT_').lower()}: cannot be raised to {limit['hard']}, "
                f"this host allows {has} at most (no CAP_SYS_RESOURCE)"
            ) from error


def set_oom_score(adjustment: int) -> None:
    """Write oom_score_adj (proc(5)): higher values are killed first when memory runs out. Needs the host's /proc."""
    fd = syscalls.open("/proc/self/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC)
    try:
        syscalls.write(fd, str(adjustment).encode())
    except PermissionError:
        raise HostError(
            f"oom_score_adj cannot be lowered to {adjustment}: this host does not allow it (no CAP_SYS_RESOURCE)"
        ) from None
    finally:
        os.close(fd)


def join_keyring() -> None:
    """Join a new session keyring. It has no name: other processes could join one with a name.

    A kernel without keys (ENOSYS) has none to leak, and the user's quota may be exhausted: both are ignored.
    """
    try:
        syscalls.join_session_keyring(None)
    except OSError:
        return


def reset_signals() -> None:
    """Unblock all signals and reset them to their defaults: Python ignores SIGPIPE, and execve would keep that
    (signal(7)).
    """
    for number in signal.valid_signals():
        if number not in (signal.SIGKILL, signal.SIGSTOP) and signal.getsignal(number) is not signal.SIG_DFL:
            signal.signal(number, signal.SIG_DFL)
    for reserved in range(32, signal.SIGRTMIN):  # glibc's own two, which its posix_spawn leaves ignored in children
        syscalls.reset_signal(reserved)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
