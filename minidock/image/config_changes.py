"""Changes: the Dockerfile instructions that `import` and `commit --change` apply to an image's config.

    minidock import -c 'CMD ["sh"]' -c 'ENV A=b C="d e"' rootfs.tar app:1

Docker's reference, "docker image import", lists those that are allowed; the config's fields are those of the
OCI image spec, config.md. They are read as a Dockerfile's lines are (`dockerfile/`), variables included: those are of
the config's own Env, which grows with every ENV.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable
from typing import Any

from minidock.errors import UsageError
from minidock.image import healthcheck
from minidock.image.dockerfile import instructions, lines, words
from minidock.image.dockerfile.dockerfile_errors import DockerfileError
from minidock.image.dockerfile.expand import Expansion
from minidock.image.dockerfile.instructions import Instruction

Config = dict[str, Any]

_SHELL = ["/bin/sh", "-c"]
_PORTS = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?(?:/(\w+))?")


def apply(changes: Iterable[str], config: Config) -> None:
    """Apply instructions in order to the image's `config` (the object under "config", in place).

    Raises `UsageError` in docker's words for one that cannot be read; then nothing is changed.
    """
    present = dict(config)
    read = [each for change in changes for each in _read(change)]
    named = {each.name for each in read}
    for each in read:
        try:
            _HANDLERS[each.name](present, each)
        except ValueError as error:
            raise UsageError(str(error)) from error
        except DockerfileError as error:
            raise UsageError(error.reason) from error
    if "ENTRYPOINT" in named and "CMD" not in named:
        present["Cmd"] = None  # it was for the entrypoint before
    config.clear()
    config.update({key: value for key, value in present.items() if value is not None})


def _read(change: str) -> list[Instruction]:
    """The instructions of one change: its lines."""
    try:
        source = lines.split(change)
        for line in source.lines:
            word = words.split_command(line.text, source.escape)[0]
            if word.upper() not in _HANDLERS:
                raise UsageError(f"{word} is not a valid change command: use {', '.join(_HANDLERS)}")
        return [instructions.parse(line, source.escape) for line in source.lines]
    except DockerfileError as error:
        raise UsageError(error.reason) from error


def _expansion(config: Config) -> Expansion:
    return Expansion(dict(row.partition("=")[::2] for row in config.get("Env") or []))


def _command(instruction: Instruction) -> list[str]:
    """Exec form, or shell form: a line for a shell."""
    return list(instruction.args) if instruction.is_json else [*_SHELL, *instruction.args]


def _cmd(config: Config, instruction: Instruction) -> None:
    config["Cmd"] = _command(instruction)


def _entrypoint(config: Config, instruction: Instruction) -> None:
    config["Entrypoint"] = _command(instruction) if instruction.args else None


def _pairs(config: Config, instruction: Instruction) -> dict[str, str]:
    expansion = _expansion(config)
    return {expansion.word(name): expansion.word(value or "") for name, value in instruction.pairs}


def _env(config: Config, instruction: Instruction) -> None:
    entries = {entry.partition("=")[0]: entry for entry in config.get("Env") or []}
    entries |= {name: f"{name}={value}" for name, value in _pairs(config, instruction).items()}
    config["Env"] = list(entries.values())


def _label(config: Config, instruction: Instruction) -> None:
    config["Labels"] = {**(config.get("Labels") or {}), **_pairs(config, instruction)}


def _expose(config: Config, instruction: Instruction) -> None:
    ports: dict[str, Any] = {}
    for word in [word for arg in instruction.args for word in _expansion(config).words(arg)]:
        match = _PORTS.fullmatch(word)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not match or not 0 < first <= last < 65536:
            raise ValueError(f"Invalid containerPort: {word}")
        protocol = (match[3] or "tcp").lower()
        if protocol not in ("tcp", "udp", "sctp"):
            raise ValueError(f"Invalid proto: {protocol}")
        ports |= {f"{port}/{protocol}": {} for port in range(first, last + 1)}
    config["ExposedPorts"] = {**(config.get("ExposedPorts") or {}), **ports}


def _onbuild(config: Config, instruction: Instruction) -> None:
    config["OnBuild"] = [*(config.get("OnBuild") or []), instructions.trigger_text(instruction)]


def _healthcheck(config: Config, instruction: Instruction) -> None:
    if instruction.args[0].upper() == "NONE":
        config["Healthcheck"] = {"Test": ["NONE"]}
        return
    times = healthcheck.numbers({name: instruction.flag(name) for name in healthcheck.FLAGS})
    test = ["CMD" if instruction.is_json else "CMD-SHELL", *instruction.args[1:]]
    config["Healthcheck"] = {"Test": test, **{name: value for name, value in times.items() if value}}


def _stopsignal(config: Config, instruction: Instruction) -> None:
    from signal import Signals, valid_signals

    text = _expansion(config).word(instruction.args[0])
    name = text.upper().removeprefix("SIG")
    known = int(name) in valid_signals() if name.isdecimal() else f"SIG{name}" in Signals.__members__
    if not known and not re.fullmatch(r"RTMIN\+\d+|RTMAX-\d+", name):
        raise ValueError(f"invalid signal: {text}")
    config["StopSignal"] = text


def _user(config: Config, instruction: Instruction) -> None:
    config["User"] = _expansion(config).word(instruction.args[0])


def _volume(config: Config, instruction: Instruction) -> None:
    paths = [_expansion(config).word(arg) for arg in instruction.args]
    if not all(paths):
        raise ValueError("VOLUME specified can not be an empty string")
    config["Volumes"] = {**(config.get("Volumes") or {}), **{path: {} for path in paths}}


def _workdir(config: Config, instruction: Instruction) -> None:
    path = _expansion(config).word(instruction.args[0])
    config["WorkingDir"] = posixpath.normpath(posixpath.join("/", config.get("WorkingDir") or "/", path))


_HANDLERS: dict[str, Callable[[Config, Instruction], None]] = {
    "CMD": _cmd,
    "ENTRYPOINT": _entrypoint,
    "ENV": _env,
    "EXPOSE": _expose,
    "HEALTHCHECK": _healthcheck,
    "LABEL": _label,
    "ONBUILD": _onbuild,
    "STOPSIGNAL": _stopsignal,
    "USER": _user,
    "VOLUME": _volume,
    "WORKDIR": _workdir,
}
