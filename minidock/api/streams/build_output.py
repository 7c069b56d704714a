"""How a build goes, in the lines of docker's classic builder, which programs look for: steps, output, the cache."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from minidock.build.build_progress import Job, Progress
from minidock.build.reasons import Say

if TYPE_CHECKING:
    from minidock.api.call import LazyStream

_STAGE = re.compile(r"^\[[^]]*\] ")


class BuildOutput(Progress):
    """Each line is a message. `quiet`: none is sent."""

    def __init__(self, words: Say, stream: LazyStream, *, quiet: bool) -> None:
        super().__init__(words)
        self._stream = stream
        self._quiet = quiet

    def on_begin(self, job: Job) -> None:
        if job is not self.own:
            self.on_say(f"Step {job.number}/{self.total} : {_STAGE.sub('', job.title)}")

    def on_output(self, job: Job, text: str) -> None:
        self.on_say(text)

    def on_end(self, job: Job, message: str) -> None:
        if job.state == "cached":
            self.on_say(" ---> Using cache")
        if (why := self.why(job)) and job.state in ("cached", "done"):
            self.on_say(f" ---> {why}")

    def on_say(self, line: str) -> None:
        if not self._quiet:
            self._stream.json({"stream": f"{line}\n"})
