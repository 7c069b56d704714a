"""--progress=rawjson: a line of JSON for each thing that happens, as BuildKit's clients write it.

BuildKit, client/graph.go, "SolveStatus": vertexes are steps, by a digest; logs are what their commands print, base64.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

from minidock.build.build_progress import Job, Progress
from minidock.image.created_time import now

_STDERR = 2  # commands' two streams are one here
_STARTED = "started"


class RawJson(Progress):
    """One object a line."""

    _begun: dict[int, str] = {}  # noqa: RUF012 (replaced by `on_begin`)

    def on_begin(self, job: Job) -> None:
        self._begun = {**self._begun, job.number: now()}
        self._write("vertexes", self._vertex(job))

    def on_line(self, job: Job, text: str) -> None:
        self._log(job, text)

    def on_output(self, job: Job, text: str) -> None:
        self._log(job, text)

    def on_end(self, job: Job, message: str) -> None:
        ended = {"completed": now(), "cached": job.state == "cached", "reason": self.why(job)}
        error = {"failed": message, "canceled": "canceled"}.get(job.state)
        self._write("vertexes", self._vertex(job) | ended | ({"error": error} if error else {}))

    def on_say(self, line: str) -> None:
        """What belongs to no step is a step of its own."""
        moment = now()
        times = {_STARTED: moment, "completed": moment}
        self._write("vertexes", {"digest": _digest(moment + line), "name": line, **times})

    def _vertex(self, job: Job) -> dict[str, Any]:
        return {"digest": self._digest(job), "name": job.title, _STARTED: self._begun[job.number]}

    def _digest(self, job: Job) -> str:
        return _digest(f"{job.number} {job.title}")

    def _log(self, job: Job, text: str) -> None:
        data = base64.b64encode(f"{text}\n".encode(errors="surrogateescape")).decode()
        self._write("logs", {"vertex": self._digest(job), "stream": _STDERR, "data": data, "timestamp": now()})

    def _write(self, what: str, row: dict[str, Any]) -> None:
        print(json.dumps({what: [row]}, separators=(",", ":")), file=self.output, flush=True)


def _digest(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode(errors='surrogateescape')).hexdigest()}"
