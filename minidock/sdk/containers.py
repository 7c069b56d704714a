"""Containers of the Python library."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from minidock.engine.container import records, recovery
from minidock.engine.container.records import Record
from minidock.errors import MinidockError
from minidock.sdk import command_line
from minidock.sdk.command_line import Flag, Output

Command = str | Sequence[str] | None


class ContainerError(MinidockError):
    """The program of `run` has failed, or could not be started: `exit_code` as docker's, and all that it wrote."""

    def __init__(self, image: str, output: Output) -> None:
        text = output.stderr.decode(errors="replace").strip()
        super().__init__(f"{image} has ended with exit code {output.exit_code}: {text}", exit_code=output.exit_code)
        self.output = output


class Container:
    """One container, by its id. Whatever is asked is asked anew: nothing here is ever out of date."""

    def __init__(self, root: str, container_id: str) -> None:
        self._root = root
        self.id = container_id

    def __repr__(self) -> str:
        return f"<Container {self.id[:12]}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Container) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def attrs(self) -> dict[str, Any]:
        """All that `inspect` shows."""
        from minidock.engine.inspect import inspect_container

        return inspect_container.container(self._record())

    @property
    def name(self) -> str:
        """Its name, without docker's slash."""
        return self._record().name

    @property
    def status(self) -> str:
        """created, running, paused, restarting or exited."""
        return self._record().status

    @property
    def pid(self) -> int:
        """The host's pid of its first process; 0 if it does not run."""
        return int(self.attrs["State"]["Pid"])

    def start(self) -> None:
        """Start it; nothing happens if it runs. Raises `MinidockError` if its program cannot be started."""
        command_line.ask(self._root, "start", self.id)

    def stop(self, timeout: int | None = None) -> None:
        """Stop it: with its stop signal, and after `timeout` seconds with SIGKILL."""
        from minidock.engine.container.stop import stop_container

        stop_container(self._root, self._swept().id, timeout)

    def restart(self, timeout: int | None = None) -> None:
        """Stop it and start it again."""
        self.stop(timeout)
        self.start()

    def kill(self, signal: str | int = "KILL") -> None:
        """Send its first process a signal, by name or number."""
        from minidock.engine.container.kill import kill_container

        kill_container(self._root, self._swept().id, str(signal))

    def pause(self) -> None:
        """Freeze all its processes."""
        from minidock.engine.container.pause import pause_container

        pause_container(self._root, self._swept().id)

    def unpause(self) -> None:
        """Let them go on."""
        from minidock.engine.container.unpause import unpause_container

        unpause_container(self._root, self._swept().id)

    def rename(self, name: str) -> None:
        """Give it another name."""
        from minidock.engine.container.rename import rename_container

        rename_container(self._root, self.id, name)

    def wait(self) -> int:
        """Wait until it does not run, and return its exit code."""
        from minidock.engine.container.wait import wait_for_container

        return wait_for_container(self._root, self._swept().id)

    def remove(self, *, force: bool = False, volumes: bool = False) -> None:
        """Remove it; `force` kills it first, `volumes` includes those that have no name."""
        from minidock.engine.container.rm import remove_container

        remove_container(self._root, self._swept().id, force=force, volumes=volumes)

    def exec(self, command: str | Sequence[str], *, input: bytes = b"", **flags: Flag) -> Output:
        """Run one more program in it, and return how it ended. `flags` are those of `minidock exec`."""
        words = ["--interactive"] if input else []
        words += command_line.words_of(flags)
        return command_line.call(self._root, "exec", *words, self.id, *command_line.arguments_of(command), input=input)

    def logs(self, *, tail: int | None = None, follow: bool = False) -> Iterator[bytes]:
        """What it has written, both streams, as it comes from the log; `follow`: until it ends."""
        from minidock.engine.logs import log_config, log_reader

        record = self._swept()
        driver = log_config.driver_of(record)
        if driver is None:
            raise MinidockError("configured logging driver does not support reading")
        path, wanted = log_config.path(record, driver), log_reader.Wanted(tail)
        blocks = (
            log_reader.follow(path, wanted, log_reader.while_running(self._root, record.id), lambda _: None, driver)
            if follow
            else log_reader.read(path, wanted, driver)
        )
        for block in blocks:
            yield "".join(str(row["log"]) for row in block).encode("utf-8", "surrogateescape")

    def changes(self) -> list[tuple[str, str]]:
        """What it has changed in its image: rows of ("A", "C" or "D", path)."""
        from minidock.engine.files import diff

        return diff.changed(self._root, self._swept().id)

    def commit(self, repository: str = "", **flags: Flag) -> str:
        """Make an image of what it has changed; returns the image's id. `flags` are those of `minidock commit`."""
        name = [repository] if repository else []
        return command_line.ask(self._root, "commit", *command_line.words_of(flags), self.id, *name)

    def copy_out(self, path: str, destination: str) -> None:
        """Copy a file or directory of its to the host."""
        command_line.ask(self._root, "cp", f"{self.id}:{path}", destination)

    def copy_in(self, source: str, path: str) -> None:
        """Copy a file or directory of the host into it."""
        command_line.ask(self._root, "cp", source, f"{self.id}:{path}")

    def _record(self) -> Record:
        return records.find(self._root, self.id)

    def _swept(self) -> Record:
        recovery.sweep_all(self._root)
        return self._record()


class Containers:
    """All containers of a state root."""

    def __init__(self, root: str) -> None:
        self._root = root

    def run(self, image: str, command: Command = None, *, detach: bool = False, **flags: Flag) -> bytes | Container:
        """Run a program in a new container. See `minidock.run`."""
        words = ["run", *command_line.words_of({"interactive": False, "tty": False, **flags})]
        arguments = [image, *command_line.arguments_of(command)]
        if detach:
            return Container(self._root, command_line.ask(self._root, *words, "--detach", *arguments))
        output = command_line.call(self._root, *words, *arguments)
        if output.exit_code:
            raise ContainerError(image, output)
        return output.stdout

    def create(self, image: str, command: Command = None, **flags: Flag) -> Container:
        """Create a container without starting it. `flags` are those of `minidock create`."""
        words = command_line.words_of({"interactive": False, "tty": False, **flags})
        arguments = [image, *command_line.arguments_of(command)]
        return Container(self._root, command_line.ask(self._root, "create", *words, *arguments))

    def get(self, name: str) -> Container:
        """The container with this name or id, or the beginning of its id. Raises `NotFoundError`."""
        return Container(self._root, records.find(self._root, name).id)

    def list(self, *, all: bool = False, filters: Mapping[str, str] | None = None) -> list[Container]:
        """Those that run, or all; the newest first. `filters` as of `minidock ps`."""
        from minidock.engine.inspect import container_list

        wanted = container_list.parse(f"{name}={value}" for name, value in (filters or {}).items())
        recovery.sweep_all(self._root)
        found = container_list.select(self._root, wanted, everything=all)
        return [Container(self._root, record.id) for record in found]
