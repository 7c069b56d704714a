"""What a user sees of a transfer: bars on a terminal, docker's plain lines anywhere else."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from minidock.image.registry.transfer_progress import Progress

if TYPE_CHECKING:
    import rich.progress


def progress_on(file: TextIO, *, quiet: bool = False) -> Progress:
    """What suits `file`."""
    if quiet:
        return Progress()
    return Bars(file) if file.isatty() else Lines(lambda line: print(line, file=file, flush=True))


class Lines(Progress):
    """One line for each change of a layer's state."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._lock = threading.Lock()  # print writes a line and its end one after the other

    def say(self, line: str) -> None:
        with self._lock:
            self._say(line)

    def status(self, layer: str, status: str) -> None:
        self.say(f"{layer}: {status}")


class Bars(Progress):
    """One bar for each layer, redrawn in place by rich."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._display: rich.progress.Progress | None = None
        self._tasks: dict[str, rich.progress.TaskID] = {}

    def say(self, line: str) -> None:
        """A line below what was drawn so far, which stays."""
        with self._lock:
            self._end()
            print(line, file=self._file, flush=True)

    def status(self, layer: str, status: str) -> None:
        with self._lock:
            self._shown(layer, status)

    def advance(self, layer: str, action: str, done: int, total: int) -> None:
        with self._lock:
            display, task = self._shown(layer, action)
            display.update(task, completed=done, total=total)

    def _shown(self, layer: str, status: str) -> tuple[rich.progress.Progress, rich.progress.TaskID]:
        if self._display is None:
            self._display = _display(self._file)
            self._display.start()
        if layer not in self._tasks:
            self._tasks[layer] = self._display.add_task(layer, total=None, status=status)
        task = self._tasks[layer]
        self._display.update(task, status=status)
        return self._display, task

    def _end(self) -> None:
        if self._display is not None:
            self._display.stop()
            self._display = None
            self._tasks.clear()

    def close(self) -> None:
        """Leave the terminal as it was, with what was drawn last."""
        with self._lock:
            self._end()


def _display(file: TextIO) -> rich.progress.Progress:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, ProgressColumn, Task, TextColumn
    from rich.text import Text

    class Amount(ProgressColumn):
        """The bytes, while there are any to count."""

        def render(self, task: Task) -> Text:
            return Text("") if task.total is None or task.completed >= task.total else counted.render(task)

    counted = DownloadColumn()
    columns = (TextColumn("{task.description}: {task.fields[status]:<20}"), BarColumn(30), Amount())
    return Progress(*columns, console=Console(file=file), refresh_per_second=8)
