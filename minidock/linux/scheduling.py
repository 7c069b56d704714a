"""Which process runs when and where: sched(7), ioprio_set(2), sched_setaffinity(2)."""

from __future__ import annotations

import os
import struct

from minidock.linux import syscalls
from minidock.observe import observed

# <linux/sched.h>
POLICIES = {"SCHED_OTHER": 0, "SCHED_FIFO": 1, "SCHED_RR": 2, "SCHED_BATCH": 3, "SCHED_ISO": 4, "SCHED_IDLE": 5,
            "SCHED_DEADLINE": 6}  # fmt: skip
FLAGS = {"SCHED_FLAG_RESET_ON_FORK": 0x01, "SCHED_FLAG_RECLAIM": 0x02, "SCHED_FLAG_DL_OVERRUN": 0x04,
         "SCHED_FLAG_KEEP_POLICY": 0x08, "SCHED_FLAG_KEEP_PARAMS": 0x10, "SCHED_FLAG_UTIL_CLAMP_MIN": 0x20,
         "SCHED_FLAG_UTIL_CLAMP_MAX": 0x40}  # fmt: skip
# <linux/ioprio.h>
IO_CLASSES = {"IOPRIO_CLASS_RT": 1, "IOPRIO_CLASS_BE": 2, "IOPRIO_CLASS_IDLE": 3}
_IOPRIO_CLASS_SHIFT = 13
_IOPRIO_WHO_PROCESS = 1

set_affinity = observed("sched_setaffinity", os.sched_setaffinity)


def set_policy(
    policy: str, flags: list[str], nice: int, priority: int, runtime: int, deadline: int, period: int
) -> None:
    """sched_setattr(2) of the calling process; times in nanoseconds."""
    attributes = struct.pack("IIQiIQQQ", 48, POLICIES[policy], sum(FLAGS[flag] for flag in flags), nice, priority,
                             runtime, deadline, period)  # fmt: skip
    syscalls.sched_setattr(attributes, policy)


def set_io_priority(kind: str, priority: int) -> None:
    """ioprio_set(2) of the calling process."""
    syscalls.ioprio_set(_IOPRIO_WHO_PROCESS, 0, IO_CLASSES[kind] << _IOPRIO_CLASS_SHIFT | priority)


def processors(text: str) -> set[int]:
    """The numbers in a list such as 0-3,7. Raises `ValueError` for another text."""
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found
