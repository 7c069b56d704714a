"""Single values, parsed as docker does: sizes, rates, limits, policies. Each function raises for a malformed one."""

from __future__ import annotations

import os
import re
import signal

from minidock.errors import UsageError

_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([bkmgtp]?)(?:i?b)?", re.IGNORECASE)
# ruff: noqa: SIM905 - these lists read better as text
_ULIMITS = "as core cpu data fsize memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack".split()
_IPC_SYSCTLS = "kernel.msgmax kernel.msgmnb kernel.msgmni kernel.sem kernel.shmall kernel.shmmax kernel.shmmni " \
    "kernel.shm_rmid_forced".split()  # fmt: skip


HOST_NAME_MAX = 64  # <linux/limits.h>


def fail(message: str) -> UsageError:
    """A value that docker's client cannot read: its exit code is 125, whatever the command."""
    return UsageError(message, exit_code=125)


def declined(message: str) -> UsageError:
    """What can be read and cannot be had, as docker's daemon says: exit code 1, but of `run` 125."""
    return UsageError(message)


def refuse(text: str, flag: str, why: str) -> UsageError:
    """A bad value of a flag, in the words of docker's parser; `flag` as in "-e, --env"."""
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return fail(f'invalid argument "{quoted}" for "{flag}" flag: {why}')


def size(text: str) -> int:
    """Bytes: a number with an optional unit b, k, m, g, t or p, each 1024 times the one before. Raises `ValueError`."""
    match = _SIZE.fullmatch(text)
    if not match:
        raise ValueError(f"invalid size: '{text}'")
    return int(float(match[1]) * 1024 ** "bkmgtp".index(match[2].lower() or "b"))


def key_values(rows: tuple[str, ...]) -> dict[str, str]:
    """--label key=value; without "=" the value is empty."""
    return dict(row.partition("=")[::2] for row in rows)


def hostname(text: str) -> str | None:
    """--hostname: what sethostname(2) takes; '' is none."""
    if len(os.fsencode(text)) > HOST_NAME_MAX or re.search(r"\s", text):
        raise fail(f"invalid hostname '{text}': it has at most {HOST_NAME_MAX} characters and no spaces")
    return text or None


def ulimit(text: str) -> tuple[str, tuple[int, int]]:
    """--ulimit name=soft[:hard]; -1 is unlimited."""
    name, equals, values = text.partition("=")
    soft, _, hard = values.partition(":")
    if not equals or name not in _ULIMITS:
        why = f"invalid ulimit type: {name}" if equals else f"invalid ulimit argument: {text}"
        raise refuse(text, "--ulimit", why)
    try:
        numbers = int(soft), int(hard or soft)
    except ValueError:
        raise refuse(text, "--ulimit", f"invalid ulimit argument: {text}: '{values}' is no number") from None
    if min(numbers) < -1:
        raise refuse(text, "--ulimit", f"invalid ulimit argument: {text}: only -1 (unlimited) may be negative")
    if numbers[0] > numbers[1] >= 0 or (numbers[0] == -1 != numbers[1]):
        why = f"ulimit soft limit must be less than or equal to hard limit: {numbers[0]} > {numbers[1]}"
        raise refuse(text, "--ulimit", why)
    return name, numbers


def sysctl(text: str, network: str) -> tuple[str, str]:
    """--sysctl name=value, for parameters that belong to a namespace (sysctl(8), namespaces(7))."""
    name, equals, value = text.partition("=")
    ours = name.startswith("net.") or name in _IPC_SYSCTLS or name.startswith("fs.mqueue.")
    if not equals or not ours:
        raise refuse(text, "--sysctl", f"sysctl '{text}' is not allowed: it does not belong to a namespace")
    if name.startswith("net.") and network == "host":
        raise fail(f"sysctl '{text}' is not allowed in the host's network namespace")
    return name, value


def rate(text: str, flag: str, *, sized: bool) -> tuple[str, int]:
    """--device-read-bps path:rate and its sisters; `sized`: the rate is bytes and takes a unit."""
    path, colon, number = text.rpartition(":")
    match = _SIZE.fullmatch(number) if sized else re.fullmatch(r"(\d+)()", number)
    if not colon or not path.startswith("/") or not match:
        wanted = f"/device:{'rate, such as /dev/sda:10mb' if sized else 'number'}"
        raise refuse(text, flag, f"bad format: {text} (it is {wanted})")
    return path, int(float(match[1]) * 1024 ** "bkmgtp".index(match[2].lower() or "b"))


def device_weight(text: str) -> tuple[str, int]:
    """--blkio-weight-device path:weight, 10 to 1000, or 0 for none."""
    path, colon, number = text.partition(":")
    why = ""
    if not colon or not path:
        why = f"bad format: {text}"
    elif not path.startswith("/dev/"):
        why = f"bad format for device path: {text}"
    elif not re.fullmatch(r"\d+", number) or not (int(number) == 0 or 10 <= int(number) <= 1000):
        why = f"invalid weight for device: {text}"
    if why:
        raise refuse(text, "--blkio-weight-device", why)
    return path, int(number)


def stop_signal(text: str) -> str:
    """--stop-signal: a name with or without SIG, or a number; kept as it is written."""
    name = text.upper() if text.upper().startswith("SIG") else f"SIG{text.upper()}"
    if text.isdigit() and int(text) in signal.valid_signals():
        return text
    realtime = re.fullmatch(r"SIGRTMIN\+(\d+)|SIGRTMAX-(\d+)", name)
    if realtime and int(realtime[1] or realtime[2]) <= signal.SIGRTMAX - signal.SIGRTMIN:
        return text
    if name not in signal.Signals.__members__:
        raise declined(f"invalid signal: {text}")
    return text


def pull(text: str) -> str:
    """--pull: when the registry is asked."""
    if not text:
        return "missing"
    if text not in ("missing", "always", "never"):
        raise fail(f'invalid pull option: \'{text}\': must be one of "always", "missing" or "never"')
    return text


def streams(names: tuple[str, ...], *, interactive: bool) -> list[str]:
    """--attach: which of stdin, stdout and stderr; without any, the two outputs, and the input if it is passed on."""
    for name in names:
        if name.lower() not in ("stdin", "stdout", "stderr"):
            raise refuse(name, "-a, --attach", "valid streams are STDIN, STDOUT and STDERR")
    chosen = {name.lower() for name in names} or {"stdout", "stderr"}
    if interactive:
        chosen.add("stdin")
    return [name for name in ("stdin", "stdout", "stderr") if name in chosen]


def restart_policy(text: str) -> tuple[str, int]:
    """--restart policy[:retries]: (policy, how often at most; 0 is without limit)."""
    if text == "no":  # without an import, for a start that is as quick as it can be
        return text, 0
    from minidock.engine.monitor import restart_policy

    policy, colon, number = text.partition(":")
    if colon and not policy:
        raise fail("invalid restart policy format: no policy provided before colon")
    policy = policy or restart_policy.NO
    if policy not in restart_policy.POLICIES:
        names = "'no', 'always', 'on-failure', or 'unless-stopped'"
        raise declined(f"invalid restart policy: unknown policy '{policy}'; use one of {names}")
    if not colon:
        return policy, 0
    if not re.fullmatch(r"-?\d+", number):
        raise fail("invalid restart policy format: maximum retry count must be an integer")
    if policy != restart_policy.ON_FAILURE:
        raise declined("invalid restart policy: maximum retry count can only be used with 'on-failure'")
    if int(number) < 0:
        raise declined("invalid restart policy: maximum retry count cannot be negative")
    return policy, int(number)


def log_driver(name: str, options: dict[str, str]) -> str:
    """--log-driver with its --log-opt."""
    name = name or "json-file"
    if options or name != "json-file":
        from minidock.engine.logs import log_config

        log_config.check(name, options)
    return name


def number_list(text: str, what: str) -> set[int]:
    """A list of numbers and ranges as in cpuset(7): 0-2,4; `what` they are, "cpus" or "mems"."""
    numbers: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", part)
        if not match or int(match[2] or match[1]) < int(match[1]) or int(match[2] or 0) > 8192:
            raise declined(
                f"Invalid value {text} for cpuset {what}: invalid format: {part} (it is a list such as 0-2,4)"
            )
        numbers |= set(range(int(match[1]), int(match[2] or match[1]) + 1))
    return numbers
