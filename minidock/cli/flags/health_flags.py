"""The flags of health checks."""

from __future__ import annotations

from typing import Any

from minidock.cli import usage
from minidock.engine.request import values

_TIMES = {"interval": "Interval", "timeout": "Timeout", "start_period": "StartPeriod",
          "start_interval": "StartInterval"}  # fmt: skip

OPTIONS = [
    usage.option("--health-cmd", metavar="COMMAND", help="What to run inside to check health."),
    usage.option("--health-interval", metavar="TIME", help="Between two checks [30s]."),
    usage.option("--health-timeout", metavar="TIME", help="Longest time that one check may take [30s]."),
    usage.option("--health-retries", type=int, help="How many failures in a row mean unhealthy [3]."),
    usage.option("--health-start-period", metavar="TIME", help="How long failures do not count at first [0s]."),
    usage.option("--health-start-interval", metavar="TIME", help="Between two checks in the start period [5s]."),
    usage.option("--no-healthcheck", is_flag=True, help="Check nothing, whatever the image says."),
]


def healthcheck(flags: dict[str, Any]) -> dict[str, Any] | None:
    """Docker's Healthcheck with what the flags say; None if they say nothing."""
    given = {name: flags[f"health_{name}"] for name in ("cmd", "retries", *_TIMES)}
    if flags["no_healthcheck"]:
        if any(value is not None for value in given.values()):
            raise values.fail("--no-healthcheck conflicts with --health-* options")
        return {"Test": ["NONE"]}
    check: dict[str, Any] = {"Test": ["CMD-SHELL", given["cmd"]]} if given["cmd"] else {}
    if given["retries"] is not None:
        if given["retries"] < 0:
            raise values.fail("--health-retries cannot be negative")
        check["Retries"] = given["retries"]
    for name, key in _TIMES.items():
        if given[name] is not None:
            check[key] = _duration(given[name], name, key)
    return check or None


def _duration(text: str, name: str, key: str) -> int:
    from minidock import durations

    flag = f"--health-{name.replace('_', '-')}"
    try:
        duration = durations.parse(text)
    except ValueError as error:
        raise values.refuse(text, flag, str(error)) from error
    if duration < 0:
        raise values.fail(f"{flag} cannot be negative")
    if 0 < duration < durations.SHORTEST:
        raise values.declined(f"{key} in Healthcheck cannot be less than 1ms")
    return duration
