"""Health checks: a program that runs inside at intervals and reports by its exit code whether the container works.

The monitor forks a child for each probe, so that it never blocks; the result comes through a pipe. The rules are
docker's (moby: daemon/health.go): `starting` at first, `healthy` after any success, `unhealthy` after `Retries`
failures in a row, of which those in the start period before the first success do not count. The last five results are
kept in the record, as docker's State.Health. A paused container is not probed.
"""

from __future__ import annotations

import json
import os
import select
import signal
import time
from contextlib import suppress
from typing import Any, NoReturn

import prctl

from minidock import observe, state
from minidock.engine.container import records
from minidock.engine.container.records import RUNNING, Record
from minidock.engine.events import event_log
from minidock.engine.exec import exec_process
from minidock.engine.monitor.streams import Events
from minidock.errors import MinidockError
from minidock.observe import step

STARTING, HEALTHY, UNHEALTHY = "starting", "healthy", "unhealthy"
_SECOND = 1_000_000_000  # docker's times are nanoseconds
_DEFAULTS = {"Interval": 30 * _SECOND, "Timeout": 30 * _SECOND, "StartPeriod": 0, "StartInterval": 5 * _SECOND,
             "Retries": 3}  # fmt: skip
_SHELL = ["/bin/sh", "-c"]
_KEPT_RESULTS = 5
_LONGEST_OUTPUT = 4096


def merged(asked: dict[str, Any] | None, image_config: dict[str, Any]) -> dict[str, Any] | None:
    """A container's Healthcheck: what its user asked for, and the image's own where the user said nothing."""
    own: dict[str, Any] = image_config.get("Healthcheck") or {}
    result = {**own, **{key: value for key, value in (asked or {}).items() if value}}
    return result if result.get("Test") else None


def command(check: dict[str, Any] | None, image_config: dict[str, Any]) -> list[str] | None:
    """What to run for a Healthcheck; None if nothing is to be checked."""
    kind, *words = (check or {}).get("Test") or ["NONE"]
    if kind == "CMD":
        return words or None
    if kind == "CMD-SHELL":
        return [*(image_config.get("Shell") or _SHELL), *words]
    return None


def begin(record: Record, cache: str) -> Health | None:
    """The checks of a container that was just started; None if it has none."""
    words = command(record.data["healthcheck"], record.data["imageConfig"])
    return Health(record, words, cache) if words else None


class Health:
    """The checks of one run of a container, from its start to its end: `command` is run inside."""

    def __init__(self, record: Record, command: list[str], cache: str) -> None:
        self.record = record
        self.cache = cache
        self.command = command
        self._config = {**_DEFAULTS, **_numbers(record.data["healthcheck"])}
        self._began = time.monotonic()
        self._due = self._began + self._pause(STARTING)
        self._probe: tuple[int, int, str] | None = None  # its pid, the pipe with its result, its start
        self._save({"Status": STARTING, "FailingStreak": 0, "Log": []})

    def wants(self) -> Events:
        """The descriptor to poll: the result of a probe that runs."""
        return {self._probe[1]: select.POLLIN} if self._probe else {}

    def timeout(self) -> float | None:
        """Seconds until the next probe; None if none is due."""
        if self._probe:
            return None
        return max(0.0, self._due - time.monotonic())

    def serve(self, ready: Events) -> None:
        """Read a result, or start a probe that is due."""
        if self._probe:
            if self._probe[1] in ready:
                self._take_result()
        elif time.monotonic() >= self._due:
            self._start_probe()

    def end(self) -> None:
        """The container has ended, and the probe with it. Its status becomes unhealthy, as in docker."""
        if self._probe:
            self._reap()
        with suppress(FileNotFoundError):
            self.record.reload()
            self._save({**self.record.data["state"]["health"], "Status": UNHEALTHY})

    def _pause(self, status: str) -> float:
        """Seconds from one probe to the next."""
        in_start_period = time.monotonic() - self._began < self._config["StartPeriod"] / _SECOND
        often = status == STARTING and in_start_period
        return float(min(self._config["StartInterval"], self._config["Interval"]) if often
                     else self._config["Interval"]) / _SECOND  # fmt: skip

    def _start_probe(self) -> None:
        with suppress(FileNotFoundError):
            self.record.reload()
        if self.record.status != RUNNING:
            self._due = time.monotonic() + self._pause(HEALTHY)
            return
        started = state.now()
        reading, writing = os.pipe()
        pid = observe.announced("fork", (), os.fork)
        if pid == 0:
            self._be_probe(writing)
        os.close(writing)
        self._probe = (pid, reading, started)

    def _be_probe(self, result: int) -> NoReturn:
        """In the child: close the monitor's descriptors, run the program inside, report, exit."""
        try:
            prctl.set_pdeathsig(signal.SIGKILL)
            for name in os.listdir("/proc/self/fd"):
                if int(name) > 2 and int(name) != result:
                    with suppress(OSError):  # the one that listed the directory
                        os.close(int(name))
            os.write(result, json.dumps(self._run()).encode())
        finally:
            os._exit(0)

    def _run(self) -> dict[str, Any]:
        """Run one probe; returns its entry in docker's Health.Log."""
        seconds = self._config["Timeout"] / _SECOND
        try:
            outcome = exec_process.run_in(self.record, self.command, timeout=seconds, most=_LONGEST_OUTPUT + 1,
                                       cache=self.cache)  # fmt: skip
        except (OSError, MinidockError) as error:
            return {"ExitCode": -1, "Output": str(error)}
        output = outcome.output.decode(errors="replace")
        if len(outcome.output) > _LONGEST_OUTPUT:
            output = output[:_LONGEST_OUTPUT] + "..."
        if outcome.exit_code is None:
            late = f"Health check exceeded timeout ({_as_go(seconds)})"
            return {"ExitCode": -1, "Output": f"{late}: {output}" if output else late}
        return {"ExitCode": outcome.exit_code, "Output": output}

    def _take_result(self) -> None:
        assert self._probe
        started = self._probe[2]
        data = self._reap()
        if not data:
            return  # it was killed: the next probe decides
        result = {"Start": started, "End": state.now(), **json.loads(data)}
        try:
            self.record.reload()
        except FileNotFoundError:
            return
        before = self.record.data["state"]["health"]
        after = self._judged(before, result)
        self._save(after)
        if after["Status"] != before["Status"]:
            event_log.emit_container(self.record.root, f"health_status: {after['Status']}", self.record.data)
        self._due = time.monotonic() + self._pause(after["Status"])

    def _judged(self, health: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
        """State.Health after one more result."""
        status, streak = health["Status"], health["FailingStreak"]
        in_start_period = time.monotonic() - self._began < self._config["StartPeriod"] / _SECOND
        if result["ExitCode"] == 0:
            status, streak = HEALTHY, 0
        elif not (status == STARTING and in_start_period):
            streak += 1
            status = UNHEALTHY if streak >= self._config["Retries"] else status
        return {"Status": status, "FailingStreak": streak, "Log": [*health["Log"], result][-_KEPT_RESULTS:]}

    def _reap(self) -> bytes:
        """The result of the probe, which has ended or is about to."""
        assert self._probe
        pid, reading, _ = self._probe
        self._probe = None
        self._due = time.monotonic() + self._pause(HEALTHY)
        with os.fdopen(reading, "rb") as file:
            data = file.read()
        os.waitpid(pid, 0)
        return data

    def _save(self, health: dict[str, Any]) -> None:
        with (
            suppress(FileNotFoundError),
            step("Write the result of the health check into the record", book="4.7.5"),
            records.changing(self.record),
        ):
            self.record.data["state"]["health"] = health


def _numbers(check: dict[str, Any]) -> dict[str, int]:
    """The numbers of a Healthcheck that are not defaults. Of an image's, no time below a millisecond is taken."""
    given = {key: value for key in _DEFAULTS if (value := check.get(key) or 0) > 0}
    return {key: value if key == "Retries" else max(value, _SECOND // 1000) for key, value in given.items()}


def _as_go(seconds: float) -> str:
    """A duration as Go prints it: 300ms, 5s, 1m30s, 1h0m0s."""
    if seconds < 1:
        return f"{seconds * 1000:g}ms"
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{f'{hours}h' if hours else ''}{f'{minutes}m' if hours or minutes else ''}{rest:g}s"
