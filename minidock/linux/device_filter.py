"""The devices that a cgroup's processes may open: a BPF program that the kernel runs at every open and mknod.

A container's root may create device nodes (CAP_MKNOD), also one of the host's disk. This keeps it from reading the
disk: cgroup v2 has no files for device rules; a program of type BPF_PROG_TYPE_CGROUP_DEVICE, attached to the cgroup, is
run for every access and returns 1 (allowed) or 0 (EPERM). See cgroup-v2.rst, "Device controller".
"""

from __future__ import annotations

import os
import struct
from typing import Any

from minidock.linux import syscalls
from minidock.linux.cgroups import Cgroup

# struct bpf_cgroup_dev_ctx of <linux/bpf.h>: access type in the low 16 bits (1 block, 2 char), access in the high 16
# (1 mknod, 2 read, 4 write); then major; then minor.
_TYPES = {"b": 1, "c": 2}
_ACCESS = {"m": 1, "r": 2, "w": 4}

BPF_F_ALLOW_MULTI = 2  # <linux/bpf.h>

# Opcodes of Documentation/bpf/standardization/instruction-set.rst; registers: 1 is the context, 0 the answer.
_LOAD_WORD = 0x61
_MOVE_REGISTER = 0xBC
_MOVE = 0xB4
_AND = 0x54
_SHIFT_RIGHT = 0x74
_JUMP_IF_NOT = 0x56
_JUMP_IF_NOT_REGISTER = 0x5E
_EXIT = 0x95


def restrict(cgroup: Cgroup, rules: list[dict[str, Any]]) -> None:
    """Attach the program for `rules` (OCI `linux.resources.devices`) to `cgroup`.

    Raises `OSError` where the kernel has no such programs (EINVAL) or bpf(2) is forbidden (EPERM).
    """
    fd = syscalls.bpf_load(syscalls.BPF_PROG_TYPE_CGROUP_DEVICE, _program(rules))
    directory = cgroup.open()
    try:
        # "Multi": a manager of cgroups inside (nested containers, systemd) may add programs of its own; all must agree.
        syscalls.bpf_attach(directory, fd, syscalls.BPF_CGROUP_DEVICE, BPF_F_ALLOW_MULTI)
    finally:
        os.close(directory)
        os.close(fd)


def _program(rules: list[dict[str, Any]]) -> bytes:
    """The rules as BPF. The last one that matches an access decides, so the program checks them from last to first."""
    code = [
        _instruction(_LOAD_WORD, 2, 1, 0),
        _instruction(_MOVE_REGISTER, 3, 2),
        _instruction(_AND, 2, value=0xFFFF),  # r2: block or char
        _instruction(_SHIFT_RIGHT, 3, value=16),  # r3: what for
        _instruction(_LOAD_WORD, 4, 1, 4),  # r4: major
        _instruction(_LOAD_WORD, 5, 1, 8),  # r5: minor
    ]
    for rule in reversed(rules):
        tests = _tests(rule)
        code += _guarded(tests, _answer(bool(rule["allow"])))
        if not tests:  # it matches every access; the verifier refuses instructions that are never reached
            return b"".join(code)
    return b"".join([*code, *_answer(False)])


def _tests(rule: dict[str, Any]) -> list[list[bytes]]:
    """For each condition of `rule`, the instructions that end in a jump taken when it does not hold."""
    tests = []
    if (rule.get("type") or "a") != "a":
        tests.append([_instruction(_JUMP_IF_NOT, 2, value=_TYPES[rule["type"]])])
    for register, key in ((4, "major"), (5, "minor")):
        if rule.get(key, -1) >= 0:
            tests.append([_instruction(_JUMP_IF_NOT, register, value=rule[key])])
    access = sum(number for letter, number in _ACCESS.items() if letter in (rule.get("access") or "rwm"))
    if access != sum(_ACCESS.values()):  # every kind of access asked for must be among the rule's
        only = [_instruction(_MOVE_REGISTER, 1, 3), _instruction(_AND, 1, value=access)]
        tests.append([*only, _instruction(_JUMP_IF_NOT_REGISTER, 1, 3)])
    return tests


def _guarded(tests: list[list[bytes]], code: list[bytes]) -> list[bytes]:
    """`code`, behind tests that each jump past it."""
    for *before, jump in reversed(tests):
        code = [*before, jump[:2] + struct.pack("<h", len(code)) + jump[4:], *code]
    return code


def _answer(allowed: bool) -> list[bytes]:
    return [_instruction(_MOVE, 0, value=int(allowed)), _instruction(_EXIT)]


def _instruction(opcode: int, target: int = 0, source: int = 0, offset: int = 0, value: int = 0) -> bytes:
    """One 8-byte instruction: opcode, registers, jump or load offset, immediate value."""
    return struct.pack("<BBhi", opcode, source << 4 | target, offset, value)
