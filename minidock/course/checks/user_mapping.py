"""Stage 8: root inside is nobody outside."""

from __future__ import annotations

from minidock.course.bench import WAIT, Bench, first_of, namespace, read, status
from minidock.course.checks.changed_root import exit_code_passes
from minidock.course.checks.first_process import namespaces, passes_signals_on, sees_itself
from minidock.course.missing import Missing

_LOOK = "hostname; id -u; id -g; touch /written && ls /written;"
_OVERFLOW = "65534"


def check(bench: Bench) -> None:
    """See the module."""
    with bench.start(bench.rootfs, command=["sh", "-c", f"{_LOOK} {WAIT}"]) as running:
        said = running.lines()
        namespaces(bench, running.pid)
        sees_itself(bench, running.pid, said)
        is_nobody_outside(bench, running.pid)
        _is_root_inside(bench, said[1:])
        running.end()
    exit_code_passes(bench, bench.rootfs)
    passes_signals_on(bench, bench.rootfs)
    bench.nothing_is_left()
    bench.ok("nothing is left")


def is_nobody_outside(bench: Bench, pid: int) -> None:
    """Check whom the host knows the processes as."""
    if namespace(pid, "user") == namespace(bench.host, "user"):
        raise Missing("the command has the host's user namespace (/proc/PID/ns/user): unshare(CLONE_NEWUSER)")
    if not read(f"/proc/{pid}/uid_map").strip() or not read(f"/proc/{pid}/gid_map").strip():
        raise Missing("the namespace has no map of users or groups: write /proc/PID/uid_map and gid_map from outside")
    for what, who in ((pid, "the command"), (first_of(pid), "PID 1 inside")):
        for kind in ("Uid", "Gid"):
            if "0" in status(what)[kind].split():
                raise Missing(
                    f"{who} is still the host's root ({kind} {status(what)[kind].replace(chr(9), ' ')} in "
                    "/proc/PID/status): map "
                    "another number of the host to 0, and become that: setresgid(0, 0, 0), setresuid(0, 0, 0)"
                )
        if "0" in status(what)["Groups"].split():
            raise Missing(
                f"{who} still is in the host's group 0 (Groups in /proc/PID/status): os.setgroups([]) after the map"
            )
    bench.ok(f"outside it is user {status(pid)['Uid'].split()[0]}, who owns nothing")


def _is_root_inside(bench: Bench, said: list[str]) -> None:
    user, group, *rest = (*said, "", "")
    if user == _OVERFLOW or group == _OVERFLOW:
        raise Missing(
            "inside, `id` says 65534, nobody: the process is still a user who has no number in the map: wait "
            "until the map "
            "is written, then setresgid(0, 0, 0) and setresuid(0, 0, 0)"
        )
    if (user, group) != ("0", "0"):
        raise Missing(f"inside, `id` says user {user}, group {group}: it is to be root there")
    if "/written" not in rest:
        raise Missing(
            "root inside cannot write to its own /: the tree has the owner of the topmost directory: os.chown it"
        )
    bench.ok("inside it is root, and may write to its own files")
