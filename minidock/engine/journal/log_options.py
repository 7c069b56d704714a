"""What --log-driver and --log-opt mean: `json-file` (docker's default) or `none`.

max-size, max-file                  rotation
labels, env, tag, labels-regex, env-regex    what `logs --details` shows beside each line
mode, max-buffer-size               accepted: the monitor never waits for anything but the disk
compress                            only false
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from minidock.engine.journal.logs import Log
from minidock.engine.records import Record
from minidock.errors import EXIT_ENGINE, UsageError

NONE, JSON_FILE = "none", "json-file"
_KNOWN = ("max-file", "max-size", "compress", "labels", "labels-regex", "env", "env-regex", "tag")
_MODES = ("blocking", "non-blocking", "")
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([kmgtp]?)b?", re.IGNORECASE)
# What a tag may name, such as {{.Name}}/{{.ID}} (moby: daemon/logger/loginfo.go).
_FIELD = re.compile(r"\{\{\s*\.(\w+)\s*\}\}")
_TAG_FIELDS: dict[str, Callable[[Record], str]] = {
    "ID": lambda record: record.id[:12],
    "FullID": lambda record: record.id,
    "Name": lambda record: record.name,
    "ImageID": lambda record: str(record.data["image"]).removeprefix("sha256:")[:12],
    "ImageFullID": lambda record: str(record.data["image"]),
    "ImageName": lambda record: str(record.data["imageName"]),
    "Command": lambda record: " ".join(record.data["command"]),
    "DaemonName": lambda record: "minidock",
}


def check(driver: str, options: dict[str, str]) -> None:
    """Refuse, in docker's words, what cannot be logged to: `UsageError` with exit code 125."""
    if driver == NONE:
        if options:
            raise _refused(f"invalid logging opts for driver {driver}")
        return
    if options.get("mode", "") not in _MODES:
        raise _refused(f"logger: logging mode not supported: {options['mode']}")
    if "max-buffer-size" in options and options.get("mode") != "non-blocking":
        raise _refused("logger: max-buffer-size option is only supported with 'mode=non-blocking'")
    if driver != JSON_FILE:
        raise _refused(f"logger: no log driver named '{driver}' is registered")
    for name in options:
        if name not in (*_KNOWN, "mode", "max-buffer-size"):
            raise _refused(f"unknown log opt '{name}' for json-file log driver")
    if options.get("compress", "false").lower() not in ("false", "0", "f"):
        raise _refused("log opt 'compress' is not supported: rotated files stay as they are")
    if "{{" in _FIELD.sub(lambda match: "" if match[1] in _TAG_FIELDS else match[0], options.get("tag", "")):
        raise _refused(f"log opt 'tag' cannot be understood; fields are {', '.join(_TAG_FIELDS)}")
    rotation(options)


def rotation(options: dict[str, str]) -> tuple[int | None, int]:
    """max-size in bytes (a unit is 1000 times the one before), None for no limit; and max-file."""
    size: int | None = None
    if "max-size" in options:
        match = _SIZE.fullmatch(options["max-size"])
        if not match:
            raise _refused(f"invalid size: '{options['max-size']}'")
        size = int(float(match[1]) * 1000 ** " kmgtp".index(match[2].lower() or " "))
        if size <= 0:
            raise _refused("max-size must be a positive number")
    files = options.get("max-file", "1")
    if not re.fullmatch(r"[+-]?\d+", files):
        raise _refused(f"max-file '{files}' is not a number")
    if int(files) < 1:
        raise _refused("max-file cannot be less than 1")
    return size, int(files)


def log_path(record: Record) -> str:
    """Where the log of a container is, if it has one."""
    return record.path(f"{record.id}-json.log")


def driver(record: Record) -> str:
    """The name of the container's log driver."""
    return str(record.data["options"].get("log_driver") or JSON_FILE)


def open_log(record: Record) -> Log | None:
    """The container's log, to be written; None with driver `none`."""
    if driver(record) == NONE:
        return None
    options = record.data["options"].get("log_options") or {}
    return Log(log_path(record), *rotation(options), attributes=_attributes(record, options))


def _attributes(record: Record, options: dict[str, str]) -> dict[str, str]:
    """What of the container's labels and environment goes into every record (moby: daemon/logger/loginfo.go)."""
    labels: dict[str, str] = record.data["config"]["labels"]
    rows = [*(record.data["imageConfig"].get("Env") or []), *record.data["options"]["env"]]
    variables = dict(row.partition("=")[::2] for row in rows)
    found: dict[str, Any] = {**_chosen(labels, options, "labels"), **_chosen(variables, options, "env")}
    if options.get("tag"):
        found["tag"] = _FIELD.sub(lambda match: _TAG_FIELDS[match[1]](record), options["tag"])
    return found


def _chosen(values: dict[str, str], options: dict[str, str], name: str) -> dict[str, str]:
    wanted = [word for word in options.get(name, "").split(",") if word in values]
    if pattern := options.get(f"{name}-regex"):
        wanted += [key for key in values if re.search(pattern, key)]
    return {key: values[key] for key in wanted}


def _refused(message: str) -> UsageError:
    return UsageError(message, exit_code=EXIT_ENGINE)
