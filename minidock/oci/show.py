"""`state`, `list` and `ps`: containers and their processes, read from the kernel."""

from __future__ import annotations

import json
import os
import sys

from minidock.errors import HostError, MinidockError, UsageError
from minidock.oci.runc_command_line import Words
from minidock.oci.state_directory import DEFAULT_ROOT, Container, all_in

TYPE_CHECKING = False  # typing is imported by type checkers only: it takes 4 ms
if TYPE_CHECKING:
    from typing import Any


def state(words: Words) -> int:
    """`minidock-oci state`: the container's state as JSON (runtime.md, "State", and what runc adds)."""
    container = Container(words.general.get("root") or DEFAULT_ROOT, words.arguments[0]).load()
    sys.stdout.write(json.dumps({**_state(container), "owner": ""}, indent=2))
    return 0


def _state(container: Container) -> dict[str, Any]:
    data, status = container.data, container.status
    known = {
        "ociVersion": data["ociVersion"], "id": container.id, "pid": 0 if status == "stopped" else container.pid,
        "status": status, "bundle": data["bundle"], "rootfs": data["rootfs"], "created": data["created"],
    }  # fmt: skip
    return known | ({"annotations": data["annotations"]} if data.get("annotations") else {})


def list_(words: Words) -> int:
    """`minidock-oci list`."""
    root = words.general.get("root")
    try:
        containers = all_in(root or DEFAULT_ROOT)
    except FileNotFoundError:
        if root:
            raise
        containers = []
    rows = []
    for container in containers:
        try:
            rows.append({**_state(container.load()), "owner": _owner(container.directory)})
        except (MinidockError, OSError) as error:
            print(f"load container {container.id}: {error}", file=sys.stderr)
    form = words.flags.get("format") or "table"
    if words.flags.get("quiet"):
        print("".join(f"{row['id']}\n" for row in rows), end="")
    elif form == "json":
        print(json.dumps(rows or None, separators=(",", ":")))
    elif form == "table":
        keys = ("id", "pid", "status", "bundle", "created", "owner")
        _print_table([[key.upper() for key in keys], *([str(row[key]) for key in keys] for row in rows)])
    else:
        raise UsageError("invalid format option: it is table or json")
    return 0


def _print_table(rows: list[list[str]]) -> None:
    widths = [max(12, max(map(len, column)) + 3) for column in zip(*rows, strict=True)]
    for row in rows:
        print("".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _owner(path: str) -> str:
    import pwd

    uid = os.stat(path).st_uid
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"#{uid}"


def processes(container: Container) -> list[int]:
    """The pids of all that runs in the container."""
    cgroup = container.cgroup
    if cgroup and cgroup.exists():
        return sorted(cgroup.processes())
    return [container.pid] if container.pid else []


def ps(words: Words) -> int:
    """`minidock-oci ps`: the lines of ps(1) that are about the container's processes, or their numbers as JSON."""
    container = Container(words.general.get("root") or DEFAULT_ROOT, words.arguments[0]).load()
    form = words.flags.get("format") or "table"
    pids = processes(container)
    if form == "json":
        print(json.dumps(pids, separators=(",", ":")))
        return 0
    if form != "table":
        raise UsageError("invalid format option: it is table or json")
    from minidock.linux import programs

    done = programs.run(["ps", *(words.arguments[1:] or ["-ef"])])
    if done.returncode:
        raise HostError(f"ps: {done.stderr or done.stdout}")
    title, *lines = done.stdout.splitlines()
    if "PID" not in title.split():
        raise UsageError("couldn't find PID field in ps output")
    column = title.split().index("PID")
    print(title)
    for line in lines:
        if int(line.split()[column]) in pids:
            print(line)
    return 0
