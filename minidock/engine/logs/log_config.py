"""What --log-driver and --log-opt mean: a driver of `log_drivers/` (docker's default is `json-file`), or `none`.

max-size, max-file, compress        rotation
labels, env, tag, labels-regex, env-regex    what `logs --details` shows beside each line
mode, max-buffer-size               accepted: the monitor never waits for anything but the disk
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from minidock.engine.container.records import Record
from minidock.engine.logs import log_drivers
from minidock.engine.logs.log_drivers.option_values import refused
from minidock.engine.logs.log_writer import Log
from minidock.errors import UsageError

if TYPE_CHECKING:
    from minidock.engine.logs.log_drivers.log_driver import Driver

NONE = "none"
_MODES = ("blocking", "non-blocking", "")
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


def check(name: str, options: dict[str, str]) -> None:
    """Refuse, in docker's words, what cannot be logged to: `UsageError`."""
    if name == NONE:
        if options:
            raise UsageError(f"invalid logging opts for driver {name}", exit_code=125)
        return
    if options.get("mode", "") not in _MODES:
        raise refused(f"logger: logging mode not supported: {options['mode']}")
    if "max-buffer-size" in options and options.get("mode") != "non-blocking":
        raise refused("logger: max-buffer-size option is only supported with 'mode=non-blocking'")
    driver = log_drivers.find(name)
    for option in options:
        if option not in (*driver.OPTIONS, "mode", "max-buffer-size"):
            raise refused(driver.unknown(option))
    if "{{" in _FIELD.sub(lambda match: "" if match[1] in _TAG_FIELDS else match[0], options.get("tag", "")):
        raise refused(f"log opt 'tag' cannot be understood; fields are {', '.join(_TAG_FIELDS)}")
    driver.rotation(options)


def driver_of(record: Record) -> Driver | None:
    """The container's log driver; None with `none`."""
    name = str(record.data["options"].get("log_driver") or log_drivers.JSON_FILE)
    return None if name == NONE else log_drivers.find(name)


def path(record: Record, driver: Driver) -> str:
    """Where the log of a container is."""
    return record.path(record.id + driver.SUFFIX)


def open_log(record: Record) -> Log | None:
    """The container's log, to be written; None with driver `none`."""
    driver = driver_of(record)
    if driver is None:
        return None
    options = record.data["options"].get("log_options") or {}
    return Log(path(record, driver), *driver.rotation(options), _attributes(record, options), driver.NAME)


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
