"""AppArmor's profile of every container, on hosts whose kernel has AppArmor (apparmor.d(5), aa-features(7)).

It says again, in another part of the kernel, what capabilities, masks and mounts say already: who breaks one of these
still meets the other. The profile is docker's in what it forbids (moby, profiles/apparmor): no mounts, nothing written
to the kernel's files in /proc and /sys, no signals to or tracing of processes that are not in a container.
"""

from __future__ import annotations

import shutil

from minidock.errors import EXIT_ENGINE, HostError
from minidock.linux import lsm, programs, rootless

NAME = "minidock-default"
_LOADED = "/sys/kernel/security/apparmor/profiles"
_PARSER = "apparmor_parser"

PROFILE = f"""#include <tunables/global>

profile {NAME} flags=(attach_disconnected,mediate_deleted) {{
  #include <abstractions/base>

  network,
  capability,
  file,
  umount,
  signal (receive) peer=unconfined,
  signal (send, receive) peer={NAME},
  ptrace (trace, read, tracedby, readby) peer={NAME},

  deny mount,
  # Of /proc, the files of processes may be written (they have numbers), and of /proc/sys what is a namespace's.
  deny @{{PROC}}/* w,
  deny @{{PROC}}/{{[^1-9],[^1-9][^0-9],[^1-9s][^0-9y][^0-9s],[^1-9][^0-9][^0-9][^0-9]*}}/** w,
  deny @{{PROC}}/sys/[^kn]** w,
  deny @{{PROC}}/sys/kernel/{{?,??,[^s][^h][^m]**}} w,
  deny @{{PROC}}/sysrq-trigger rwklx,
  deny @{{PROC}}/kcore rwklx,
  deny /sys/[^f]*/** wklx,
  deny /sys/f[^s]*/** wklx,
  deny /sys/fs/[^c]*/** wklx,
  deny /sys/fs/c[^g]*/** wklx,
  deny /sys/fs/cg[^r]*/** wklx,
  deny /sys/firmware/** rwklx,
  deny /sys/devices/virtual/powercap/** rwklx,
  deny /sys/kernel/security/** rwklx,
}}
"""


def profile_for(asked: str, *, privileged: bool) -> str | None:
    """The profile that a container's program gets; None if it gets none. The default one is loaded if it is not there.

    Raises `HostError` for a kernel that has AppArmor where the default cannot be loaded.
    """
    if not lsm.has_apparmor() or asked == "unconfined" or (privileged and not asked):
        return None
    if asked:
        return asked
    if rootless.is_on() or shutil.which(_PARSER) is None:  # docker, too, runs without it then
        return None
    if not _is_loaded():
        done = programs.run([_PARSER, "-Kr"], PROFILE)
        if done.returncode:
            raise HostError(f"{_PARSER} cannot load {NAME}: {done.stderr.strip()}", exit_code=EXIT_ENGINE)
    return NAME


def _is_loaded() -> bool:
    try:
        with open(_LOADED, encoding="utf-8") as file:
            return any(line.startswith(f"{NAME} (") for line in file)
    except OSError:  # securityfs is not mounted here
        return False
