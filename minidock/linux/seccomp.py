"""Seccomp: a filter of the system calls that a container may make (book, chapter 7, 2.1 "Sécurité").

A filter is a small BPF program that the kernel runs at every system call. libseccomp generates it, because system call
numbers differ between architectures. That takes some 50 ms, so the program is cached in a file together with the text
that it was made from. Sources: seccomp(2), seccomp_rule_add(3), OCI config-linux.md "Seccomp".
"""

from __future__ import annotations

import json
import os
import zlib
from contextlib import suppress
from typing import Any

from minidock import state
from minidock.errors import HostError, UsageError
from minidock.linux import seccomp_enosys

FORMAT = 3  # version of the cache files: programs that an earlier minidock has cached are not used
NOTIFY = "SCMP_ACT_NOTIFY"
FLAGS = {"SECCOMP_FILTER_FLAG_LOG": 2, "SECCOMP_FILTER_FLAG_SPEC_ALLOW": 4, "SECCOMP_FILTER_FLAG_TSYNC": 1,
         "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV": 32}  # fmt: skip
# OCI words without their SCMP_ACT_ or SCMP_ARCH_, and libseccomp's names for them.
_ACTIONS = {"KILL": "KILL_THREAD", "KILL_THREAD": "KILL_THREAD", "KILL_PROCESS": "KILL_PROCESS", "TRAP": "TRAP",
            "ERRNO": "ERRNO", "TRACE": "TRACE", "LOG": "LOG", "ALLOW": "ALLOW", "NOTIFY": "NOTIFY"}  # fmt: skip
_ARCHITECTURES = ("X86", "X86_64", "X32", "ARM", "AARCH64", "MIPS", "MIPS64", "MIPS64N32", "MIPSEL", "MIPSEL64",
                  "MIPSEL64N32", "PPC", "PPC64", "PPC64LE", "S390", "S390X", "PARISC", "PARISC64",
                  "RISCV64")  # fmt: skip
ACTIONS = {f"SCMP_ACT_{name}" for name in _ACTIONS}
OPERATORS = {f"SCMP_CMP_{name}" for name in ("NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ")}
ARCHITECTURES = {f"SCMP_ARCH_{name}" for name in _ARCHITECTURES}


def check(section: dict[str, Any]) -> None:
    """Raises `UsageError` for words that nobody knows, `HostError` for what a filter of ours cannot do."""
    actions = [section["defaultAction"], *(rule["action"] for rule in section.get("syscalls") or [])]
    _check_listener(section)
    compared = [argument for rule in section.get("syscalls") or [] for argument in rule.get("args") or []]
    for what, words, known in (
        ("action", actions, ACTIONS),
        ("architecture", section.get("architectures") or [], ARCHITECTURES),
        ("operator", [argument["op"] for argument in compared], OPERATORS),
        ("flag", section.get("flags") or [], FLAGS.keys()),
    ):
        for word in words:
            if word not in known:
                raise UsageError(f"unknown seccomp {what} {word!r}: known are {', '.join(sorted(known))}")
    if any(argument["index"] > 5 for argument in compared):
        raise UsageError("seccomp: an argument's index is between 0 and 5")


def _check_listener(section: dict[str, Any]) -> None:
    """Whether somebody is there to answer for the calls of SCMP_ACT_NOTIFY, and can be told of."""
    if section["defaultAction"] == NOTIFY:
        raise UsageError(f"seccomp: {NOTIFY} cannot be the default action: the container could not even be started")
    named = {name for rule in section.get("syscalls") or [] if rule["action"] == NOTIFY for name in rule["names"]}
    if own := named & {"write", "sendmsg"}:
        raise UsageError(f"seccomp: {NOTIFY} cannot be used for the {own.pop()} syscall: the listener is sent by such")
    if named and not section.get("listenerPath"):
        raise UsageError(f"seccomp: {NOTIFY} needs a listenerPath")
    if section.get("listenerPath") and not named:
        raise UsageError(f"seccomp: listenerPath is set, and no rule has {NOTIFY}")
    if section.get("listenerMetadata") and not section.get("listenerPath"):
        raise UsageError("seccomp: listenerMetadata is set, and listenerPath is not")
    if "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV" in (section.get("flags") or []) and not named:
        raise UsageError(f"seccomp: SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV is for a filter with {NOTIFY}")


def flags(section: dict[str, Any]) -> int:
    """The flags of seccomp(2) that an OCI `linux.seccomp` section names."""
    return sum(FLAGS[name] for name in set(section.get("flags") or []))


def compile_filter(section: dict[str, Any], cache: str | None = None) -> bytes:
    """The BPF program for an OCI `linux.seccomp` section, cached in the directory `cache` if that is given.

    A cache file holds the section's text, a checksum, and the program. The whole text is compared, so a program is
    never used for another section. A file that is incomplete or cannot be read counts as missing; failure to write one
    is ignored. Raises `HostError` if libseccomp is missing.
    """
    key = f"{FORMAT} {os.uname().machine} {json.dumps(section, sort_keys=True)}".encode()
    path = os.path.join(cache, f"seccomp-{zlib.crc32(key):08x}.bpf") if cache else None
    if path and (kept := _read(path, key)):
        return kept
    program = _compile(section)
    if path and cache:
        with suppress(OSError, state.DamagedError):
            state.directory(os.path.dirname(cache), os.path.basename(cache))
            state.sweep(cache)
            state.write_bytes(path, b"\n".join((key, _checksum(program), program)), durable=False, mode=0o600)
    return program


def _read(path: str, key: bytes) -> bytes | None:
    """The program in a cache file, if the file is complete and was made from `key`; else None."""
    try:
        with open(path, "rb") as file:
            head, checksum, program = file.read().split(b"\n", 2)
    except (OSError, ValueError):
        return None
    return program if head == key and program and checksum == _checksum(program) else None


def _checksum(program: bytes) -> bytes:
    return b"%08x" % zlib.crc32(program)


def _compile(section: dict[str, Any]) -> bytes:
    import tempfile

    try:
        pyseccomp = _binding()
    except (ImportError, OSError) as error:
        raise HostError(f"seccomp filters need libseccomp: install the package libseccomp2 ({error})") from error
    default = _action(pyseccomp, section["defaultAction"], section.get("defaultErrnoRet"))
    filter_ = pyseccomp.SyscallFilter(default)
    native = {"x86_64": "X86_64", "aarch64": "AARCH64"}.get(os.uname().machine, "")
    for name in section.get("architectures") or []:
        arch = getattr(pyseccomp.Arch, name.removeprefix("SCMP_ARCH_"))
        if name.removeprefix("SCMP_ARCH_") != native and not filter_.exist_arch(arch):
            filter_.add_arch(arch)
    for rule in section.get("syscalls") or []:
        action = _action(pyseccomp, rule["action"], rule.get("errnoRet"))
        if action == default:
            continue  # libseccomp refuses a rule with the default action
        for arguments in _conditions(pyseccomp, rule.get("args") or []):
            for name in rule["names"]:
                try:
                    filter_.add_rule(action, name, *arguments)
                except (OSError, ValueError):
                    # A call that this libseccomp does not know cannot be allowed, as in runc: see `seccomp_enosys.py`.
                    continue
    with tempfile.TemporaryFile() as file:
        filter_.export_bpf(file)
        file.seek(0)
        return seccomp_enosys.head(pyseccomp, section) + file.read()


def _binding() -> Any:
    """The module pyseccomp, imported without its search for the library: ctypes' find_library runs ldconfig or a
    compiler.

    The dynamic linker finds libseccomp by its name, which has not changed since 2012.
    """
    import ctypes.util

    search = ctypes.util.find_library
    ctypes.util.find_library = {"seccomp": "libseccomp.so.2"}.get  # type: ignore[assignment]
    try:
        import pyseccomp
    finally:
        ctypes.util.find_library = search
    return pyseccomp


def _action(pyseccomp: Any, name: str, errno: int | None) -> int:
    """An OCI action name as libseccomp's number; EPERM is the specification's default errno."""
    if name == "SCMP_ACT_ERRNO":
        return int(pyseccomp.ERRNO(1 if errno is None else errno))
    if name == "SCMP_ACT_TRACE":
        return int(pyseccomp.TRACE(errno or 0))
    return int(getattr(pyseccomp, _ACTIONS[name.removeprefix("SCMP_ACT_")]))


def _conditions(pyseccomp: Any, arguments: list[dict[str, Any]]) -> list[list[Any]]:
    """The conditions of each rule that is needed: all at once, or one by one where an argument is compared twice.

    libseccomp has no rule that compares an argument twice, and runc has always meant "or" by it.
    """
    compared = [_argument(pyseccomp, argument) for argument in arguments]
    twice = len({argument["index"] for argument in arguments}) < len(arguments)
    return [[one] for one in compared] if twice else [compared]


def _argument(pyseccomp: Any, argument: dict[str, Any]) -> Any:
    """A condition on one argument of the call (scmp_arg_cmp)."""
    compare = getattr(pyseccomp, argument["op"].removeprefix("SCMP_CMP_"))
    return pyseccomp.Arg(argument["index"], compare, argument["value"], argument.get("valueTwo", 0))
