"""Break `minidock run`, or another command, at its Nth kernel call, and see what is left.

By hand, for all calls:  python -m tests.engine.injection FAIL|KILL ROOT [OPTION...]
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.engine.containers import Containers, eventually, ids_in
from tests.support.command import Minidock

GRACE = 30.0  # seconds: a killed process's descriptors and cgroup go a moment after it


@dataclass
class Injector:
    """Runs `minidock run OPTIONS alpine COMMAND`, broken; or `words`, after `before`, about a container `broken`."""

    minidock: Minidock
    directory: Path
    options: Sequence[str] = ("--rm",)
    command: Sequence[str] = ("true",)
    words: Sequence[str] = ()
    before: Sequence[str] = ()
    image: str = "alpine"

    def calls(self) -> list[tuple[str, str]]:
        """(kernel call, step) of one whole run, in order, of all its processes."""
        trace = self.directory / "trace"
        done = self._run({"MINIDOCK_OBSERVE_TRACE": str(trace)})
        assert done.returncode == 0, done.stderr
        self._wait_for_monitors()
        rows = [json.loads(line) for line in trace.read_text().splitlines()]
        self._left(trace)
        return [(row["call"], row["step"]) for row in rows if row["what"] == "call"]

    def fail(self, number: int) -> list[str]:
        """Let call `number` fail; returns what is wrong afterwards."""
        trace = self.directory / f"trace-{number}"
        done = self._run({"MINIDOCK_OBSERVE_FAIL": str(number), "MINIDOCK_OBSERVE_TRACE": str(trace)})
        errors = done.stderr.decode().splitlines()
        wrong = []
        if done.returncode not in (0, 125, 126, *([1] if self.words else [])):
            wrong.append(f"exit code {done.returncode}")
        if done.returncode and (len(errors) != 1 or not errors[0].startswith("minidock: ")):
            wrong.append(f"not one line of error: {errors}")
        if "-d" in self.options:  # nobody waited to see how it ended
            self._wait_for_monitors()
            self.minidock("ps", "-a")
        return wrong + self._left(trace)

    def kill(self, number: int) -> list[str]:
        """Kill the process that is about to make call `number`; returns what is there after the next command."""
        trace = self.directory / f"trace-{number}"
        done = self._run({"MINIDOCK_OBSERVE_KILL": str(number), "MINIDOCK_OBSERVE_TRACE": str(trace)})
        wrong = []
        if done.returncode not in (0, 125, 137, -9, *([1] if self.words else [])):
            wrong.append(f"exit code {done.returncode}: {done.stderr!r}")
        listed = self.minidock("ps", "-a", "-q")
        if listed.returncode:
            wrong.append(f"ps: {listed.stderr!r}")
        return wrong + self._left(trace)

    def _run(self, environment: dict[str, str]) -> subprocess.CompletedProcess[bytes]:
        if self.before:
            assert self.minidock(*self.before).returncode == 0
        words = self.words or ("run", *self.options, self.image, *self.command)
        return self.minidock(*words, env=environment)

    def _wait_for_monitors(self) -> None:
        """Until those have ended that outlived their command."""
        if "stop" not in self.words:
            eventually(lambda: not Containers(self.minidock).commands())

    def _left(self, trace: Path) -> list[str]:
        ids = ids_in(trace)
        trace.unlink(missing_ok=True)
        containers = Containers(self.minidock)
        if "--rm" not in self.options or self.before:
            for record in containers.records():
                self.minidock("rm", "-f", record["id"])
        deadline = time.monotonic() + GRACE
        while (left := containers.left(ids)) and time.monotonic() < deadline:
            time.sleep(0.01)
        return left


def main() -> None:
    """Break every call, one after the other."""
    how, root, options = sys.argv[1], Path(sys.argv[2]), sys.argv[3:]
    injector = Injector(Minidock(root, root / "run"), root, options or ("--rm",))
    calls = injector.calls()
    bad = 0
    for number in range(1, len(calls) + 1):
        wrong = injector.fail(number) if how == "FAIL" else injector.kill(number)
        if wrong:
            bad += 1
            call, step = calls[number - 1]
            print(f"{number}: {call[:100]} [{step}]: {'; '.join(wrong)}", flush=True)
            injector.minidock("ps", "-a")
            for record in Containers(injector.minidock).records():
                injector.minidock("rm", "-f", record["id"])
    print(f"{how} {' '.join(injector.options)}: {len(calls)} points, {bad} left something or ended wrongly")


if __name__ == "__main__":
    main()
