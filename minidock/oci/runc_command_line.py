"""The command line of runc 1.1 to 1.3: which commands there are, which flags each has, how both are written.

Flags are spelled as in Go: one dash or two, the value after "=" or as the next word, a switch alone or with "=true".
They may stand behind a command's arguments too, unless what stands there is somebody else's (exec, ps, kill). Engines
write them in all these ways (go-runc, conmon). Sources: runc's man pages, https://pkg.go.dev/flag.
"""

from __future__ import annotations

from collections.abc import Sequence

from minidock.errors import UsageError
from minidock.named_tuple import NamedTuple

TYPE_CHECKING = False  # typing is imported by type checkers only: it takes 4 ms
if TYPE_CHECKING:
    from typing import Any

SWITCH, TEXT, TEXTS, NUMBER, NUMBERS = "switch", "text", "texts", "number", "numbers"

GLOBAL = {"root": TEXT, "log": TEXT, "log-format": TEXT, "debug": SWITCH, "systemd-cgroup": SWITCH, "rootless": TEXT,
          "criu": TEXT, "help": SWITCH, "version": SWITCH}  # fmt: skip
_CREATE = {"bundle": TEXT, "console-socket": TEXT, "pidfd-socket": TEXT, "pid-file": TEXT, "no-pivot": SWITCH,
           "no-new-keyring": SWITCH, "preserve-fds": NUMBER}  # fmt: skip
_SHORT = {"h": "help", "v": "version", "b": "bundle", "f": "force", "d": "detach", "a": "all", "q": "quiet", "e": "env",
          "t": "tty", "u": "user", "g": "additional-gids", "p": "process", "c": "cap", "r": "resources"}  # fmt: skip


class Command(NamedTuple):
    """`arguments`: how many there may be, at least and at most. `open_ended`: behind the first one no flag is ours."""

    summary: str
    usage: str
    flags: dict[str, str]
    arguments: tuple[int, int] = (1, 1)
    open_ended: bool = False
    short: dict[str, str] = {}  # noqa: RUF012 - nobody writes to it


COMMANDS = {
    "create": Command("create a container", "<container-id>", _CREATE),
    "start": Command("executes the user defined process in a created container", "<container-id>", {}),
    "run": Command("create and run a container", "<container-id>",
                   {**_CREATE, "detach": SWITCH, "keep": SWITCH, "no-subreaper": SWITCH}),
    "state": Command("output the state of a container", "<container-id>", {}),
    "kill": Command("kill sends the specified signal (default: SIGTERM) to the container's init process",
                    "<container-id> [signal]", {"all": SWITCH}, (1, 2), open_ended=True),
    "delete": Command("delete any resources held by the container often used with detached container",
                      "<container-id>", {"force": SWITCH}),
    "exec": Command("execute new process inside the container",
                    "<container-id> <command> [command options]  || -p process.json <container-id>",
                    {"console-socket": TEXT, "pidfd-socket": TEXT, "cwd": TEXT, "env": TEXTS, "tty": SWITCH,
                     "user": TEXT, "additional-gids": NUMBERS, "process": TEXT, "detach": SWITCH, "pid-file": TEXT,
                     "process-label": TEXT, "apparmor": TEXT, "no-new-privs": SWITCH, "cap": TEXTS,
                     "preserve-fds": NUMBER, "cgroup": TEXTS, "ignore-paused": SWITCH},
                    (1, 1 << 20), open_ended=True),
    "ps": Command("ps displays the processes running inside a container", "<container-id> [ps options]",
                  {"format": TEXT}, (1, 1 << 20), open_ended=True, short={"f": "format"}),
    "list": Command("lists containers started by runc with the given root", "",
                    {"format": TEXT, "quiet": SWITCH}, (0, 0), short={"f": "format"}),
    "pause": Command("pause suspends all processes inside the container", "<container-id>", {}),
    "resume": Command("resumes all processes that have been previously paused", "<container-id>", {}),
    "update": Command("update container resource constraints", "<container-id>",
                      {"resources": TEXT, "blkio-weight": NUMBER, "cpu-period": NUMBER, "cpu-quota": NUMBER,
                       "cpu-burst": NUMBER, "cpu-share": NUMBER, "cpu-rt-period": NUMBER, "cpu-rt-runtime": NUMBER,
                       "cpuset-cpus": TEXT, "cpuset-mems": TEXT, "kernel-memory": TEXT, "kernel-memory-tcp": TEXT,
                       "memory": TEXT, "memory-reservation": TEXT, "memory-swap": TEXT, "pids-limit": NUMBER,
                       "cpu-idle": NUMBER, "l3-cache-schema": TEXT, "mem-bw-schema": TEXT}),
    "events": Command("display container events such as OOM notifications, cpu, memory, and IO usage statistics",
                      "<container-id>", {"interval": TEXT, "stats": SWITCH}),
    "spec": Command("create a new specification file", "", {"bundle": TEXT, "rootless": SWITCH}, (0, 0)),
    "features": Command("show the enabled features", "", {}, (0, 0)),
    "checkpoint": Command("checkpoint a running container (not supported)", "<container-id>", {}, (0, 1 << 20), True),
    "restore": Command("restore a container from a previous checkpoint (not supported)", "<container-id>", {},
                       (0, 1 << 20), True),
}  # fmt: skip


class Words(NamedTuple):
    """What a command line says: the command ("" for none), its flags and the global ones, what is no flag."""

    command: str
    flags: dict[str, Any]
    general: dict[str, Any]
    arguments: list[str]


def parse(words: Sequence[str]) -> Words:
    """Raises `UsageError` for what no command understands."""
    general, rest = _take(list(words), GLOBAL, {}, open_ended=True, who="minidock-oci")
    if not rest or rest[0] in ("help", "h"):
        return Words(rest[1] if rest[1:] and rest[1] in COMMANDS else "", {"help": True}, general, [])
    name, *rest = rest
    if name not in COMMANDS:
        raise UsageError(f"No help topic for '{name}': the commands are {', '.join(COMMANDS)}", exit_code=3)
    command = COMMANDS[name]
    if name in ("checkpoint", "restore") and not {"-h", "--help"} & set(rest):
        return Words(name, {}, general, rest)
    flags, rest = _take(rest, {**command.flags, "help": SWITCH}, command.short, open_ended=command.open_ended, who=name)
    least, most = command.arguments
    if not flags.get("help") and not least <= len(rest) <= most:
        wanted = (
            f"exactly {least}" if least == most else f"at least {least}" if len(rest) < least else f"at most {most}"
        )
        raise UsageError(f'"{name}" requires {wanted} argument(s): minidock-oci {name} {command.usage}')
    return Words(name, flags, general, rest)


def _take(
    words: list[str], known: dict[str, str], short: dict[str, str], *, open_ended: bool, who: str
) -> tuple[dict[str, Any], list[str]]:
    """The flags among `words`, and the words that are none."""
    flags: dict[str, Any] = {}
    others: list[str] = []
    while words:
        word = words.pop(0)
        if word == "--":
            return flags, others + words
        if not word.startswith("-") or word == "-":
            if open_ended:
                return flags, [*others, word, *words]
            others.append(word)
            continue
        name, has_value, value = word.lstrip("-").partition("=")
        name = {**_SHORT, **short}.get(name, name)
        if name not in known:
            raise UsageError(f"{who}: flag provided but not defined: {word.partition('=')[0]}")
        if known[name] == SWITCH:
            flags[name] = _truth(name, value) if has_value else True
            continue
        if not has_value:
            if not words:
                raise UsageError(f"{who}: flag needs an argument: --{name}")
            value = words.pop(0)
        _keep(flags, name, known[name], value)
    return flags, others


def _keep(flags: dict[str, Any], name: str, kind: str, value: str) -> None:
    if kind in (NUMBER, NUMBERS):
        try:
            number = int(value, 0)
        except ValueError:
            raise UsageError(f"--{name} takes a number, not {value!r}") from None
        if kind == NUMBER:
            flags[name] = number
        else:
            flags.setdefault(name, []).append(number)
    elif kind == TEXTS:
        flags.setdefault(name, []).append(value)
    else:
        flags[name] = value


def _truth(name: str, value: str) -> bool:
    """What Go's strconv.ParseBool takes."""
    if value in ("1", "t", "T", "true", "TRUE", "True"):
        return True
    if value in ("0", "f", "F", "false", "FALSE", "False"):
        return False
    raise UsageError(f"--{name} is either true or false, not {value!r}")


def help_text(name: str) -> str:
    """What --help shows: of a command, or of all."""
    if name:
        command = COMMANDS[name]
        head = f"NAME:\n   minidock-oci {name} - {command.summary}\n\n"
        usage = f"USAGE:\n   minidock-oci {name} [command options] {command.usage}\n"
        return head + usage + ("\nOPTIONS:\n" + _listed(command.flags) if command.flags else "")
    commands = "".join(f"   {name:<12}{command.summary}\n" for name, command in COMMANDS.items())
    return (
        "NAME:\n   minidock-oci - Open Container Initiative runtime, with runc's command line\n\n"
        "USAGE:\n   minidock-oci [global options] command [command options] [arguments...]\n\n"
        f"COMMANDS:\n{commands}\nGLOBAL OPTIONS:\n{_listed(GLOBAL)}"
    )


def _listed(flags: dict[str, str]) -> str:
    return "".join(f"   --{flag}{'' if kind == SWITCH else ' value'}\n" for flag, kind in flags.items())
