"""What a command did in the kernel, told by minidock and told by strace(1), in one form that can be compared.

Both are asked about the same families of calls (FAMILIES). Of the other calls that are told (CLAIMED), Python makes
more that nobody tells of: each that is told must have been seen, in this order, with these arguments and this result.
What is left out is left out by these rules, and no other:

*  A process is minidock's until it becomes another program: calls after its successful execve are that program's.
   The first execve of all is the caller's, who started minidock. A program's children are not minidock's either.
*  A question changes nothing: prctl's PR_CAPBSET_READ and PR_GET_*, netlink's RTM_GET*. libcap asks PR_CAPBSET_READ
   when it is loaded.
*  A thread is no process: clone3 with CLONE_THREAD (Python's threads, while images are fetched).
*  libseccomp, when it compiles a filter, probes what the kernel knows by seccomp calls that cannot succeed or only ask:
   SECCOMP_SET_MODE_STRICT with bad flags, SECCOMP_GET_ACTION_AVAIL, and filters at the address NULL.
*  write counts where it writes to a file of a cgroup; sendto, where it sends a message of rtnetlink that changes
   something, with the number in the kernel's acknowledgement.
*  A monitor that was there before the command tells what it does while the command is connected to it, not that it has
   made itself small (engine/monitor/idle.py) before.
*  Of a process that goes on after the command (a detached container's monitor), the explanation ends with the command.

*  Of a claimed call, arguments that are structures are not compared, nor what ioctl(2) and recvfrom(2) give and take.

Pointers, sizes of structures and the names that strace shows for descriptors are no part of the comparison.
"""

from __future__ import annotations

import errno
import json
import re
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tests.engine.containers import eventually
from tests.support.command import Minidock

FAMILIES = (  # noqa: SIM905 - thirty names read better as text
    "clone clone3 fork vfork unshare setns mount fsopen fsconfig fsmount fspick move_mount open_tree mount_setattr "
    "pivot_root umount2 sethostname setdomainname prctl capset seccomp setuid setgid setgroups setresuid setresgid "
    "setreuid setregid setfsuid setfsgid write sendto mknod mknodat execve execveat"
).split()
CLAIMED = (  # noqa: SIM905 - as above
    "bind bpf chdir chmod chown close_range connect dup2 dup3 fchdir fchmod fchmodat fchown fchownat fsetxattr "
    "inotify_add_watch inotify_init1 ioctl keyctl lchown link linkat listen lsetxattr mkdir mkdirat openat openat2 "
    "pidfd_open pidfd_send_signal prlimit64 recvfrom rename renameat rmdir rt_sigaction setsid setsockopt setxattr "
    "shutdown symlink symlinkat umask unlink unlinkat"
).split()
RTNETLINK_CHANGES = {16, 17, 19, 20, 21, 24, 25}  # RTM_NEWLINK to RTM_DELROUTE, <linux/rtnetlink.h>
NLMSG_HEADER = 16
SETTLING = 0.1  # seconds
FIRST = re.compile(r'execve\("[^"]*/minidock", ')  # by whoever called minidock
CGROUP_FILE = re.compile(r"/cgroup/.*/[a-z]+\.[a-z.]+$")

Told = dict[int, list[str]]  # what each process (or thread) did, call by call


class Accounts(NamedTuple):
    """The two accounts of one command, and how the command ended."""

    explained: Told
    witnessed: Told
    claimed: Told
    seen: Told
    done: subprocess.CompletedProcess[bytes]

    def counts(self) -> tuple[int, int]:
        """How many calls each of the two told of."""
        return sum(map(len, self.explained.values())), sum(map(len, self.witnessed.values()))

    def differences(self) -> list[str]:
        """The first disagreement about each process; empty when there is none."""
        found = []
        for pid in sorted({*self.explained, *self.witnessed}):
            ours, theirs = self.explained.get(pid, []), self.witnessed.get(pid, [])
            for position in range(max(len(ours), len(theirs))):
                said = ours[position] if position < len(ours) else "nothing"
                seen = theirs[position] if position < len(theirs) else "nothing"
                if said != seen:
                    found.append(f"process {pid}, call {position}: explained {said}, witnessed {seen}")
                    break
        return found + self.false_claims()

    def false_claims(self) -> list[str]:
        """The other calls that were told and not seen, each with what was seen of that name since the one before."""
        found = []
        for pid, claims in self.claimed.items():
            seen, position = self.seen.get(pid, []), 0
            for claim in claims:
                if claim in seen[position:]:
                    position = seen.index(claim, position) + 1
                else:
                    name = claim.partition("(")[0]
                    alike = [call for call in seen[position:] if call.startswith(f"{name}(")]
                    found.append(f"process {pid}: claimed {claim}, witnessed {alike[:2]}")
        return found


def observe(
    minidock: Minidock,
    directory: Path,
    *words: str,
    input: bytes = b"",
    also: int = 0,
    env: Mapping[str, str] | None = None,
) -> Accounts:
    """Run `minidock WORDS` under strace, with an explanation; the word "EXPLAIN" among them becomes the flag.

    `also`: a process that strace attaches to, besides; a monitor. `env`: in the place of the program's own.
    """
    told, trace = directory / "explained.json", directory / "trace"
    for file in directory.glob("trace.*"):
        file.unlink()
    command = [f"--explain=json:{told}" if word == "EXPLAIN" else word for word in words]
    calls = ",".join([*FAMILIES, *CLAIMED])
    strace = ["strace", "-ff", "-I", "2", "-y", "-s", "65536", "-e", f"trace={calls}", "-e", "write=all",
              "-e", "read=all", "-o", str(trace), *(["-p", str(also)] if also else [])]  # fmt: skip
    done = _run([*strace, *minidock.program, *command], trace, input, env or minidock.environment)
    rows = [json.loads(line) for line in told.read_text().splitlines()]
    explained, (witnessed, seen) = _explained(rows), _witnessed(directory, also)
    for pid in {row["pid"] for row in rows if row["event"] == "released"}:
        witnessed[pid] = witnessed.get(pid, [])[: len(explained.get(pid, []))]
    return Accounts(explained, witnessed, _claimed(rows), seen, done)


def _run(
    command: list[str], trace: Path, input: bytes, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[bytes]:
    """Run strace until the command that it runs has ended; what that has left running goes on without strace."""
    with (trace.parent / "out").open("w+b") as out, (trace.parent / "err").open("w+b") as err:
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=out, stderr=err, env=environment) as strace:
            assert strace.stdin
            strace.stdin.write(input)
            strace.stdin.close()
            code = eventually(lambda: _exit_code(trace), timeout=120)
            time.sleep(SETTLING)  # what is still to be written down
            strace.terminate()
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(command, int(code), out.read(), err.read())


def _exit_code(trace: Path) -> str:
    """How the first process ended, as digits; '' while it has not."""
    for file in trace.parent.glob("trace.*"):
        text = file.read_text(errors="surrogateescape")
        if FIRST.match(text) and (ended := re.search(r"^\+\+\+ exited with (\d+) \+\+\+$", text, re.MULTILINE)):
            return ended[1]
    return ""


def _explained(rows: list[dict[str, Any]]) -> Told:
    told: Told = defaultdict(list)
    for position, row in enumerate(rows):
        if row["event"] != "call" or row["call"] not in FAMILIES:
            continue
        text = row["text"]
        if row["call"] == "sendto":
            message = bytes.fromhex(row.get("message", ""))
            if int.from_bytes(message[4:6], "little") not in RTNETLINK_CHANGES:
                continue
            shown = next(r["text"] for r in rows[position:] if r.get("call") == "recvfrom" and _who(r) == _who(row))
            text = _acknowledged(message, int(row["result"]), re.findall(r"error=([\w-]+)", shown)[0])
        if row["call"] != "write" or _is_cgroup_file(row["arguments"][0]):
            told[_who(row)].append(_normal(text))
    return dict(told)


def _claimed(rows: list[dict[str, Any]]) -> Told:
    told: Told = defaultdict(list)
    for row in rows:
        if row["event"] == "call" and row["call"] not in FAMILIES:
            assert row["call"] in CLAIMED, f"a call that nobody witnesses: {row['text']}"
            told[_who(row)].append(_claim(row["text"]))
    return dict(told)


def _who(row: dict[str, Any]) -> int:
    """The process or thread that made the call."""
    return int(row["by"] if row["by"] != row["pid"] else row["thread"])


def _claim(text: str) -> str:
    """A call of CLAIMED in the form in which it is compared."""
    name, _, rest = _normal(text).replace(f"{0xFFFFFFFF}", "~0U").partition("(")
    arguments, _, result = rest.rpartition(" = ")
    result = re.sub(r"^(\d+)<.*>$", r"\1", result)
    if name in ("ioctl", "recvfrom"):
        arguments = ", ".join(re.split(r", ", arguments.rstrip(") "))[: 2 if name == "ioctl" else 1])
    return f"{name}({re.sub(r'[{].*[}]', '{...}', arguments).rstrip(') ')}) = {result}"


def _witnessed(directory: Path, also: int) -> tuple[Told, Told]:
    """The calls of FAMILIES, and those of CLAIMED."""
    files = {int(file.suffix[1:]): file for file in directory.glob("trace.*")}
    told: Told = {}
    seen: Told = {}
    first = next(pid for pid, file in files.items() if FIRST.match(file.read_text(errors="surrogateescape")))
    ours = [first, *([also] if also else [])]
    for pid in ours:
        if pid in files:
            lines = files[pid].read_text(errors="surrogateescape").splitlines()
            if pid == also:  # from where it began to tell
                waking = [i + 1 for i, line in enumerate(lines) if re.search("/idle[.]|MOUNT_ATTR_NOEXEC", line)]
                lines = lines[max(waking, default=0) :]
            calls, born = _calls(lines[1:] if pid == first else lines)
            ours += born
            if calls:
                told[pid] = calls
            claimable = (re.sub(r"\)\s+= ", ") = ", line) for line in lines if line.partition("(")[0] in CLAIMED)
            seen[pid] = [_claim(line) for line in claimable]
    return told, seen


def _calls(lines: list[str]) -> tuple[list[str], list[int]]:
    """A process's calls up to its program's execve, and the children (and threads) that it has made until then."""
    calls, born = [], []
    for position, line in enumerate(lines):
        if made := re.match(r"(?:clone3?|v?fork)\(.* = (\d+)$", line):
            born.append(int(made[1]))
        if call := _call(line, lines[position + 1 :]):
            calls.append(call)
        if re.match(r'execve\((?!"/proc/self/fd/).* = 0$', line):  # a helper of minidock's goes on
            break
    return calls, born


def _call(line: str, after: list[str]) -> str:
    """One line of strace's in the common form; '' if it is none of those compared."""
    match = re.match(r"(\w+)\((.*)\)\s+= (.*)$", line)
    if not match or match[1] not in FAMILIES:
        return ""
    name, arguments, result = match.groups()
    left_out = {"prctl": "^PR_GET|^PR_CAPBSET_READ", "clone": "CLONE_THREAD", "clone3": "CLONE_THREAD",
                "seccomp": "SECCOMP_GET_|SECCOMP_SET_MODE_STRICT|NULL"}  # fmt: skip
    if re.search(left_out.get(name, "(?!)"), arguments):
        return ""
    if name == "sendto":
        return _message(_dumped(after), after)
    if name == "write" and not _is_cgroup_file(arguments):
        return ""
    return _normal(f"{name}({arguments}) = {result}")


def _is_cgroup_file(shown: str) -> bool:
    """Whether a descriptor as strace -y shows it, "3</path>", is open on a file of a cgroup."""
    return bool(CGROUP_FILE.search(shown.partition("<")[2].partition(">")[0]))


def _message(data: bytes, after: list[str]) -> str:
    """A message of rtnetlink's with its size and the kernel's answer; '' for anything else that was sent."""
    if len(data) < NLMSG_HEADER or int.from_bytes(data[:4], "little") != len(data):
        return ""
    if int.from_bytes(data[4:6], "little") not in RTNETLINK_CHANGES:
        return ""
    received = next(position for position, line in enumerate(after) if line.startswith("recvfrom("))
    acknowledgement = _dumped(after[received + 1 :])
    number = -int.from_bytes(acknowledgement[NLMSG_HEADER : NLMSG_HEADER + 4], "little", signed=True)
    return _acknowledged(data, len(data), f"-{errno.errorcode[number]}" if number else "0")


def _acknowledged(data: bytes, sent: int, error: str) -> str:
    return f"rtnetlink {data.hex()} = {sent}, acknowledged with error={error}"


def _dumped(lines: list[str]) -> bytes:
    """The bytes that strace dumps below a call."""
    data = b""
    for line in lines:
        if not line.startswith(" | "):
            break
        data += bytes.fromhex(line[10:59].replace(" ", ""))
    return data


def _normal(text: str) -> str:
    """Without what is no part of the comparison: pointers, sizes, comments, what descriptors are open on."""
    text = re.sub(r"0x[0-9a-f]+ (/\* \d+ vars \*/)", r"\1", text)
    if not text.startswith("write("):
        text = re.sub(r"\b(\d+|AT_FDCWD)<[^>]*>", r"\1", text)
    text = re.sub(r" /\* (?!\d+ vars).*? \*/", "", text)
    if text.startswith("clone3("):
        fields = dict(re.findall(r"(\w+)=([^,}]+)", text.partition("=> ")[0]))
        kept = ", ".join(f"{key}={fields[key]}" for key in ("flags", "exit_signal", "cgroup") if key in fields)
        text = f"clone3({{{kept}}}) ={text.rpartition(' =')[2]}"
    pointer = r"(?:, (?:child_tidptr=\w+|parent_tid=\[\d+\]))?"
    text = re.sub(rf"^clone\(child_stack=NULL, (flags=[^,)]*){pointer}\)", r"clone(\1)", text)
    text = re.sub(r", filter=0x[0-9a-f]+", "", text)
    return re.sub(r"[\w<]+(?:\|[\w<]+)+", lambda match: "|".join(sorted(match[0].split("|"))), text)


def kinds(told: Told) -> Counter[str]:
    """How often each call was made."""
    return Counter(re.split(r"[( ]", call)[0] for calls in told.values() for call in calls)
