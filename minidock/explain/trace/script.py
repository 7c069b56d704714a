"""The style `shell`: the run as a shell script of commands that make the same calls.

    outside, before     directories, control group, bridge, rules
    inside              a shell, cloned by unshare(1): mounts, pivot_root, host name, ... and exec of the program
    outside, meanwhile  the veth pair into the new network namespace; the shell inside waits for it
    at the end          the packet filter's entries, the control group and the directories are removed

The order is that of the run, with one difference: inside waits before its first command and not before its last,
because after pivot_root the shell has only the image's commands. Calls that no command makes (seccomp filters, BPF
programs) become comments. For a command that creates no container, the script is just its commands.
"""

from __future__ import annotations

import re
import shlex
import socket
from contextlib import suppress

from minidock.explain import format_values
from minidock.explain.trace import script_calls, script_filter, shell_commands, texts
from minidock.explain.trace.blocks import Block, BlockBuilder, CallMade, Event, call_of
from minidock.explain.trace.process_table import ProcessTable, is_refused, named, open_on
from minidock.explain.trace.trace_output import Output
from minidock.linux import syscalls
from minidock.recorder import trace_socket

_CONTAINER = re.compile(r"/containers/([0-9a-f]{64})\b")
_DIRECTORY = re.compile(r"/[^\s\"'<>=:,]*/containers/([0-9a-f]{64})\b")
_OF_A_CONTAINER = re.compile(r"/[0-9a-f]{64}$|/minidock-[0-9a-f]{64}\.scope/container$")  # the end of its cgroup's path


def _makes_the_directory(call: CallMade) -> bool:
    """Whether the call makes the container's own directory: the script uses another one."""
    if call.wrapper != "mkdir":
        return False
    return bool(_CONTAINER.search(named(call)) and _OF_A_CONTAINER.search(named(call)))


class ScriptStyle:
    """Collects all events, then writes the script."""

    def __init__(self, output: Output) -> None:
        self.output = output
        self.texts = texts.here()
        self.builder = BlockBuilder()
        self.blocks: list[Block] = []
        self.files: dict[str, str] = {}  # the container's files that were written before the clone

    def take(self, event: Event, reply: socket.socket | None) -> None:
        self.blocks += self.builder.add(event)
        if event.what == "call" and (call := call_of(event)).wrapper == "rename":
            self._keep(named(call, 1))
        if reply:
            trace_socket.answer(reply, trace_socket.GO)

    def flush(self) -> None:
        """Nothing: the script is written as a whole."""

    def finish(self) -> None:
        """Write the script."""
        self.blocks += self.builder.remaining()
        lines = self._plain()
        for block in self.blocks:
            for call in block.calls:
                if call.wrapper == "clone3" and not call.failed and call.argument(0) & syscalls.CLONE_NEWNS:
                    lines = self._container(call, block)
        if self.output.is_terminal:  # there it is to be read; in a file or a pipe, to be run
            lines = [format_values.text(line) for text in lines for line in text.split("\n")]
        self.output.write("".join(f"{line}\n" for line in lines))

    def _keep(self, path: str) -> None:
        """Read a small text of the container, such as its /etc/hosts, while it exists."""
        if _CONTAINER.search(path) and not path.endswith(".json"):
            with suppress(OSError), open(path, encoding="utf-8") as file:
                self.files[path] = file.read()

    def _titled(self, block: Block, commands: list[str]) -> list[str]:
        return ["", f"# {self.texts.step(block.title)[0]}", *commands] if commands else []

    def _plain(self) -> list[str]:
        """The commands of a run that creates no container."""
        processes, lines = ProcessTable(), ["#!/bin/sh"]
        for block in self.blocks:
            for call in block.calls:
                processes.note(call)
            lines += self._titled(block, shell_commands.commands(block.calls, processes))
        return lines

    def _container(self, clone: CallMade, cloned: Block) -> list[str]:
        """The script; `clone` created the container, in the block `cloned`."""
        inside = [block for block in self.blocks if block.pid == clone.result]
        outside = [block for block in self.blocks if block.pid != clone.result]
        end = outside.index(cloned) + 1
        started = next(
            (i for i, block in enumerate(outside) if i >= end and script_calls.is_start(block)), len(outside)
        )
        unshared = sum({c.argument(0) for block in inside for c in block.calls if c.wrapper == "unshare"})
        flags = " ".join(shell_commands.unshare_flags(clone.argument(0) | unshared))
        directory, container_id = self._place()
        label = self.texts.labels
        lines = [
            "#!/bin/sh", f"# {label['by_hand']}", "set -eu", f"id={container_id}  # {label['another_id']}",
            "short=$(echo $id | cut -c1-12)", "here=$(mktemp -d)", *self._at_the_end(),
            'mkdir "$here/upper" "$here/work" "$here/bundle" "$here/bundle/rootfs"',
            *self._outside(outside[:end]), *self._written(),
            "", "cat > \"$here/inside\" <<'INSIDE'", *self._inside(inside), "INSIDE",
            "", 'mkfifo "$here/pid" "$here/go"', f"(   # {label['from_outside']}",
            "trap 'test $? = 0 || kill -KILL $inside' EXIT",
            'read -r inside < "$here/pid"', *filter(None, self._outside(outside[end:started])),
            'echo go > "$here/go"', ") &", "outside=$!",
            *self._titled(cloned, self._clone_commands(flags)),
        ]  # fmt: skip
        return [script_calls.own(line, directory, container_id) for line in lines]

    def _at_the_end(self) -> list[str]:
        """The commands of the trap that removes everything that the script has created."""
        gone = [f"    rmdir {group} 2>/dev/null" for group in self._groups()]
        return ["undo() {", "    set +e", "    kill ${outside:-} 2>/dev/null", *gone,
                '    rm -rf --one-file-system "$here"', "}", "trap undo EXIT"]  # fmt: skip

    def _groups(self) -> list[str]:
        """The container's own control group, if it has one."""
        made = [named(call) for block in self.blocks for call in block.calls if call.wrapper == "mkdir"]
        return [path for path in made if _OF_A_CONTAINER.search(path) and not _CONTAINER.search(path)][-1:]

    def _own(self) -> list[str]:
        """The container's interfaces and addresses, as in messages to the kernel."""
        found = []
        for block in self.blocks:
            for call in block.calls:
                words = call.argument(0).split() if call.wrapper == "netlink" else [""]
                if words[0] == "RTM_NEWLINK" and {"veth", "macvlan"} & set(words):
                    found.append(words[1])
                elif words[0] == "RTM_NEWADDR" and call.raw[1].get("inside"):
                    found.append(words[1].partition("/")[0])
        return found

    def _place(self) -> tuple[str, str]:
        """The container's directory and id, as in its calls."""
        for block in self.blocks:
            for call in block.calls:
                if match := _DIRECTORY.search(" ".join(call.arguments)):
                    return match[0], match[1]
        return "", ""

    def _outside(self, blocks: list[Block]) -> list[str]:
        """Commands for what the command and the monitor did."""
        processes, lines, own = ProcessTable(), [], self._own()
        processes.inside = '"$inside"'
        for block in blocks:
            commands: list[str] = []
            for position, call in enumerate(block.calls):
                if call.wrapper in script_calls.WITHOUT_COMMAND and not call.failed:
                    commands.append(f"# {self.texts.labels[script_calls.WITHOUT_COMMAND[call.wrapper]]}")
                elif _makes_the_directory(call):
                    continue
                elif script_calls.in_init_layer(call) or not is_refused(block.calls, position):
                    commands += script_calls.outside(call, block.calls[position + 1 :], processes, own)
            lines += self._titled(block, list(dict.fromkeys(commands)))
        return lines

    def _written(self) -> list[str]:
        lines = []
        for path, text in self.files.items():
            lines += ["", f"cat > {shlex.quote(path)} <<EOF", *script_calls.here_document(text), "EOF"]
        return lines

    def _inside(self, blocks: list[Block]) -> list[str]:
        """Commands for what the container's first process did."""
        lines = ["set -eu", f"read -r pid rest < /proc/self/stat   # {self.texts.labels['as_host_sees']}",
                 'echo "$pid" > "$here/pid"', 'read -r go < "$here/go"']  # fmt: skip
        processes, identity = ProcessTable(), list[CallMade]()
        for block in blocks:
            commands = []
            for call in block.calls:
                if call.failed:
                    continue
                if call.wrapper in script_calls.WITHOUT_COMMAND:
                    commands.append(f"# {self.texts.labels[script_calls.WITHOUT_COMMAND[call.wrapper]]}")
                elif call.wrapper in shell_commands.IDENTITY:
                    identity.append(call)
                elif call.wrapper == "execve":
                    commands += script_calls.take_over(call, identity, self.texts.labels["needs_setpriv"])
                else:
                    commands += script_calls.inside(call, processes)
            lines += self._titled(block, commands)
        return lines

    def _clone_commands(self, flags: str) -> list[str]:
        """The clone: a shell in the control group executes unshare, which forks the shell inside. And the end."""
        groups = self._groups()
        enter = f"echo 0 > {groups[0]}/cgroup.procs; " if groups else ""
        words = f'exec unshare {flags} --fork --kill-child sh "$here/inside"'
        lines = ["status=0", f"(export here id short; {enter}{words}) || status=$?",
                 "", f"# {self.texts.step('Clean up after the container')[0]}", *self._filter_cleanup()]  # fmt: skip
        if groups:
            events = f"{groups[0]}/cgroup.events"
            lines += [f"# {self.texts.labels['until_buried']}",
                      f"until grep -q 'populated 0' {events}; do sleep 0.1; done"]  # fmt: skip
        return [*lines, "exit $status"]

    def _filter_cleanup(self) -> list[str]:
        """Commands that remove this container's elements from the packet filter."""
        own = self._own()
        added = [line for block in self.blocks for call in block.calls
                if call.wrapper == "write" and not open_on(call).startswith("/")
                for line in script_filter.elements(script_calls.text(call.argument(1)), own)]  # fmt: skip
        taken = script_filter.fed("", [f"delete{line[3:]}" for line in dict.fromkeys(added)])
        return [taken] if taken else []
