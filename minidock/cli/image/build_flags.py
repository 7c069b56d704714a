"""The flags of `build`, and what they mean: from words on a command line to `build.request.Command`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from minidock.build.request import FILES, STDOUT, STORED, Command, Compression, Output, Place, Surroundings
from minidock.cli.flags import key_values
from minidock.engine.request import values
from minidock.errors import NotFoundError, UsageError
from minidock.image import reference

if TYPE_CHECKING:
    from minidock.engine.container.container_options import Limits

_KINDS = (*STORED, *FILES, "docker", "oci", "cacheonly")
_WITH_FILE = ("oci", "tar", "local")  # kinds that need a destination
_CACHES = ("inline", "registry", "local")
_LEVELS = {"gzip": 9, "zstd": 22, "uncompressed": 0}  # the highest of each compression
_LIMITS = ("memory", "memory_swap", "cpu_period", "cpu_quota", "cpu_shares", "cpuset_cpus", "cpuset_mems")
_ALLOWED = ("network.host", "security.insecure")


def to_command(flags: dict[str, Any]) -> Command:
    """The parsed flags as the one object that goes to the builder. Raises `UsageError` for a bad value."""
    _refuse(flags)
    outputs = _outputs(flags)
    return Command(
        context=flags["context"],
        file=flags["file"],
        tags=list(flags["tag"]),
        build_args=list(flags["build_arg"]),
        target=flags["target"],
        no_cache=flags["no_cache"],
        no_cache_stages=[name for text in flags["no_cache_filter"] for name in text.split(",")],
        pull=flags["pull"],
        labels=key_values.labels(flags["label"]),
        annotations=values.key_values(flags["annotation"]),
        surroundings=_surroundings(flags),
        secrets=dict(map(_secret, flags["secret"])),
        ssh=dict(map(_ssh, flags["ssh"])),
        contexts=dict(map(_context, flags["build_context"])),
        platform=flags["platform"],
        outputs=outputs,
        cache_from=[_cache(text, reads=True) for text in flags["cache_from"]],
        cache_to=[_cache(text, reads=False) for text in flags["cache_to"]],
        metadata_file=flags["metadata_file"],
        iidfile=flags["iidfile"],
        shell_on_failure=flags["on_failure"] == "shell",
        progress=_progress(flags),
        check=flags["check"] or flags["call"] in ("check", "lint"),
    )


def _progress(flags: dict[str, Any]) -> str:
    """How to tell it: a shell where a RUN fails needs the terminal for itself."""
    if flags["on_failure"] == "shell" and flags["progress"] in ("auto", "tty"):
        return "plain"
    return "quiet" if flags["quiet"] else str(flags["progress"])


def _refuse(flags: dict[str, Any]) -> None:
    """What docker's builders know and this one does not, each in one line."""
    if flags["squash"]:
        raise UsageError("--squash is not supported: copy the result of a stage into another one, FROM scratch")
    if flags["builder"] not in ("", "default"):
        raise NotFoundError(f'no builder "{flags["builder"]}" found: there is one, called default')
    if flags["on_failure"] == "shell" and "-" in (flags["context"], flags["file"]):
        raise UsageError("--on-failure=shell reads standard input, which is the context or the Dockerfile already")
    for name in ("provenance", "sbom"):
        if flags[name].lower() not in ("", "false", "disabled", "0"):
            raise UsageError(f"--{name}={flags[name]} is not supported: no attestation is made")
    if any("disabled=true" not in text for text in flags["attest"]):
        raise UsageError("--attest is not supported: no attestation is made")
    for text in flags["allow"]:
        if text not in _ALLOWED:
            raise UsageError(f"invalid entitlement {text!r}: allowed are {', '.join(_ALLOWED)}")


def _surroundings(flags: dict[str, Any]) -> Surroundings:
    return Surroundings(
        network=flags["network"],
        add_host=[_host(text) for text in flags["add_host"]],
        limits=_limits(flags),
        ulimits=dict(values.ulimit(text) for text in flags["ulimit"]),
        shm_size=flags["shm_size"] or None,
        cgroup_parent=flags["cgroup_parent"] or None,
        allowed=list(flags["allow"]),
    )


def _limits(flags: dict[str, Any]) -> Limits | None:
    if not any(flags[name] not in (None, "") for name in _LIMITS):
        return None
    from minidock.engine.request import limits

    unset = ("cpus", "cpu_rt_period", "cpu_rt_runtime", "memory_reservation", "pids_limit", "blkio_weight")
    lists = ("blkio_weight_device", "device_read_bps", "device_write_bps", "device_read_iops", "device_write_iops")
    return limits.parse({**dict.fromkeys(unset), **dict.fromkeys(lists, ()), **flags})


def _host(text: str) -> tuple[str, str]:
    name, separator, address = text.partition("=") if "=" in text else text.partition(":")
    if not (name and separator and address):
        raise UsageError(f"bad format for add-host: {text!r}")
    return name, address


def _fields(text: str) -> dict[str, str]:
    """`a=1,b=2`, with quotes around what has a comma in it (RFC 4180)."""
    import csv

    rows = list(csv.reader([text]))
    return {name.strip().lower(): value for name, _, value in (word.partition("=") for word in (rows or [[]])[0])}


def _is_true(fields: dict[str, str], name: str, *, default: bool = False) -> bool:
    text = fields.get(name, "")
    if text.lower() not in ("", "true", "false", "1", "0"):
        raise UsageError(f"invalid value {text!r} of {name}: true or false")
    return default if not text else text.lower() in ("true", "1")


# Outputs


def _outputs(flags: dict[str, Any]) -> list[Output]:
    found = [_output(text) for text in flags["output"]]
    for name, kind in (("push", "registry"), ("load", "docker")):
        if flags[name]:
            if any(output.kind not in STORED for output in found) and name == "push":
                raise UsageError("push and another output than an image cannot be set both")
            found = [output._replace(push=True) for output in found] if name == "push" else found
            found = found or [Output(kind, push=name == "push")]
    return found or [Output("image")]


def _output(text: str) -> Output:
    if "=" not in text:
        return Output("tar", STDOUT) if text == STDOUT else Output("local", text)
    fields = _fields(text)
    kind = fields.get("type", "")
    if kind not in _KINDS:
        raise UsageError(f"invalid output {text!r}: type is one of {', '.join(_KINDS)}" if kind else
                         f"invalid output {text!r}: type is required")  # fmt: skip
    destination = fields.get("dest", "")
    if kind in _WITH_FILE and not destination:
        if kind == "local":
            raise UsageError("dest is required for the output type=local")
        destination = STDOUT
    names = [reference.parse(name) for name in fields.get("name", "").split(",") if name]
    return Output(
        kind, destination, names, push=kind == "registry" or _is_true(fields, "push"),
        as_archive=_is_true(fields, "tar", default=True), rewrite=_is_true(fields, "rewrite-timestamp"),
        compression=_compression(fields),
    )  # fmt: skip


def _compression(fields: dict[str, str]) -> Compression:
    kind, text = fields.get("compression", "gzip"), fields.get("compression-level", "")
    if kind not in _LEVELS:
        raise UsageError(f"compression={kind} is not supported: layers are {', '.join(_LEVELS)}")
    if text and (not text.isdecimal() or int(text) > _LEVELS[kind]):
        raise UsageError(f"invalid compression-level {text!r} of {kind}: 0 to {_LEVELS[kind]}")
    # The level of gzip is always the same: so is a layer then, whoever asks for it.
    level = int(text) if text and kind == "zstd" else None
    return Compression(kind, level, _is_true(fields, "force-compression"))


# Caches


def _cache(text: str, *, reads: bool) -> Place:
    """One --cache-from or --cache-to: a reference alone, or type=...,ref=..., src= or dest=."""
    if "=" not in text:
        reference.parse(text)
        return Place("registry", text)
    fields = _fields(text)
    kind, where = fields.get("type", "registry"), ""
    if kind not in _CACHES or (reads and kind == "inline"):
        raise UsageError(f"unsupported cache {text!r}: type is one of {', '.join(_CACHES[reads:])}")
    if kind == "registry":
        where = fields.get("ref", "")
        reference.parse(where)
    elif kind == "local":
        where = fields.get("src" if reads else "dest", "")
    if kind != "inline" and not where:
        raise UsageError(
            f"invalid cache {text!r}: {'ref' if kind == 'registry' else 'src' if reads else 'dest'} is missing"
        )
    if fields.get("mode", "min") not in ("min", "max"):
        raise UsageError(f"invalid cache {text!r}: mode is min or max")
    return Place(kind, where, fields.get("mode") == "max", _is_true(fields, "ignore-error"))


# Secrets, agents, contexts


def _secret(text: str) -> tuple[str, bytes]:
    """--secret: the id and the content, read now and kept in memory."""
    fields = _fields(text)
    identity = fields.get("id", "")
    if not identity:
        raise UsageError(f"invalid secret {text!r}: an id is missing")
    path, name = fields.get("src") or fields.get("source"), fields.get("env")
    if fields.get("type") == "env" or (name is None and path is None and identity in os.environ):
        name = name or identity
    if name:
        if name not in os.environ:
            raise NotFoundError(f"secret {identity}: there is no environment variable {name}")
        return identity, os.environ[name].encode(errors="surrogateescape")
    try:
        with open(path or identity, "rb") as file:
            return identity, file.read()
    except OSError as error:
        raise NotFoundError(f"secret {identity}: {path or identity}: {error.strerror}") from error


def _ssh(text: str) -> tuple[str, str]:
    identity, _, socket = text.partition("=")
    path = socket or os.environ.get("SSH_AUTH_SOCK", "")
    if not path:
        raise UsageError(f"invalid ssh {text!r}: no socket is named, and SSH_AUTH_SOCK is not set")
    return identity or "default", path


def _context(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise UsageError(f"invalid build context {text!r}: expected NAME=VALUE")
    return name.lower(), value
