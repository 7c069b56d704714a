"""Stage 10: root inside may do less: capabilities, no_new_privs, seccomp."""

from __future__ import annotations

from minidock.course.bench import WAIT, Bench, first_of, status
from minidock.course.checks.changed_root import exit_code_passes
from minidock.course.checks.first_process import passes_signals_on
from minidock.course.checks.user_mapping import is_nobody_outside
from minidock.course.missing import Missing

# docker's fourteen, by their numbers (capabilities(7)).
_ALLOWED = sum(1 << number for number in (0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31))
_FILTERED = "2"  # SECCOMP_MODE_FILTER
_LOOK = (
    "mount -t tmpfs none /mnt 2>/dev/null && echo mounted; unshare -U true 2>/dev/null && echo unshared; "
    "touch /tmp/mine && chown 1:1 /tmp/mine && echo chowned;"
)


def check(bench: Bench) -> None:
    """See the module."""
    with bench.start(bench.rootfs, command=["sh", "-c", f"{_LOOK} {WAIT}"]) as running:
        said = running.lines()
        is_nobody_outside(bench, running.pid)
        _capabilities(bench, running.pid, "the command")
        _filter(bench, running.pid)
        if first_of(running.pid) != running.pid:
            _capabilities(bench, first_of(running.pid), "PID 1 inside")
        _what_it_may(bench, said)
        running.end()
    exit_code_passes(bench, bench.rootfs)
    passes_signals_on(bench, bench.rootfs)
    bench.nothing_is_left()
    bench.ok("nothing is left")


def _capabilities(bench: Bench, pid: int, who: str) -> None:
    found = {name: int(status(pid)[name], 16) for name in ("CapBnd", "CapEff", "CapPrm", "CapInh", "CapAmb")}
    if found["CapBnd"] & ~_ALLOWED:
        raise Missing(
            f"{who} can have all of CapBnd {found['CapBnd']:x}: execve gives root whatever is in the bounding "
            "set, so it is "
            "of no use to drop only the others: prctl(PR_CAPBSET_DROP, n) for each that is not docker's"
        )
    for name, value in found.items():
        if value & ~_ALLOWED:
            raise Missing(f"{who} has more than docker's capabilities: {name} {value:x} in /proc/PID/status: capset")
    bench.ok(f"{who} has docker's capabilities at most")


def _filter(bench: Bench, pid: int) -> None:
    found = status(pid)
    if found.get("NoNewPrivs") != "1":
        raise Missing("a set-uid program can still raise its power (NoNewPrivs 0): prctl.set_no_new_privs(1)")
    if found.get("Seccomp") != _FILTERED:
        raise Missing(
            "there is no filter of system calls (Seccomp 0): prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program)"
        )
    bench.ok("no_new_privs and a filter are set")


def _what_it_may(bench: Bench, said: list[str]) -> None:
    for word, call in (("mounted", "mount"), ("unshared", "unshare")):
        if word in said:
            raise Missing(
                f"the filter lets {call} through: answer EPERM (SECCOMP_RET_ERRNO) to its number on this machine"
            )
    if "chowned" not in said:
        raise Missing("root inside cannot even chown a file of its own: keep docker's fourteen capabilities")
    bench.ok("mount and unshare are refused, chown is not")
