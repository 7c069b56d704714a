"""What a stage has become up to some line: its layers, its configuration, its variables.

An instruction that changes only the configuration is a function of this and of the instruction's arguments
(`INSTRUCTIONS`); COPY, ADD and RUN, which make layers, have modules of their own.
"""

from __future__ import annotations

import copy
import json
import posixpath
import re
from collections.abc import Callable
from typing import Any

from minidock.build.reasons import Cause
from minidock.build.variables import Globals, Scope
from minidock.image import layer_cache, layer_directories
from minidock.image.created_time import now
from minidock.image.dockerfile import instructions
from minidock.image.dockerfile.dockerfile_errors import DockerfileError
from minidock.image.dockerfile.instructions import Instruction
from minidock.image.layer_cache import Cached, Layer

Config = dict[str, Any]
SHELL = ["/bin/sh", "-c"]
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Stage:
    """`config`: the OCI config's "config"; `key`: the cache key of the files so far; `base` names what it began with.

    `inherited`: how many of the layers are a base image's; `steps`: what this build did for the others, for an exported
    cache. `history` has a row for each line, as docker's: "empty_layer" where it made no layer.
    """

    def __init__(self, base: Config, layers: list[Layer], outer: Globals, key: str) -> None:
        self.image: Config = {
            name: copy.deepcopy(base[name]) for name in ("architecture", "os", "variant") if base.get(name)
        }
        self.config: Config = copy.deepcopy(base.get("config") or {})
        self.history: list[Config] = copy.deepcopy(base.get("history") or [])
        self.author = str(base.get("author") or "")
        self.layers = layers
        self.inherited = len(layers)
        self.steps: list[Cached] = []
        self.key = key
        self.cause: Cause | None = None  # what is the first to have changed since last time
        self.scope = Scope(outer, environment_of(self.config))
        self.command_set = False  # by CMD in this stage: an ENTRYPOINT discards an inherited one only

    def derived(self, outer: Globals) -> Stage:
        """A stage that begins where this one ended."""
        base = {**self.image, "config": self.config, "history": self.history, "author": self.author}
        stage = Stage(base, list(self.layers), outer, self.key)
        stage.cause = self.cause
        stage.inherited, stage.steps = self.inherited, list(self.steps)
        return stage

    @property
    def shell(self) -> list[str]:
        """What runs the shell form of RUN, CMD and ENTRYPOINT."""
        return list(self.config.get("Shell") or SHELL)

    def layer_paths(self, root: str) -> list[str]:
        """The unpacked layers so far, bottom to top."""
        return [layer_directories.layer_path(root, layer.diff_id) for layer in self.layers]

    @property
    def workdir(self) -> str:
        return str(self.config.get("WorkingDir") or "/")

    def absolute(self, path: str) -> str:
        """A path of the image, from its working directory on; a slash at its end stays. "" is the directory itself."""
        whole = posixpath.normpath(posixpath.join(self.workdir, path))
        whole = "/" + whole.lstrip("/")
        names_directory = path.endswith(("/", "/.", "/..")) or path in ("", ".", "..")
        return whole + "/" if names_directory and whole != "/" else whole

    def command(self, instruction: Instruction) -> list[str]:
        """The program of RUN, CMD or ENTRYPOINT: in shell form, the shell's."""
        return list(instruction.args) if instruction.is_json else [*self.shell, *instruction.args]

    def note(self, text: str, created: str, *, empty: bool) -> None:
        """Add a row to the history; none for an instruction that has none, as ONBUILD."""
        if not text:
            return
        row = {"created": created, "created_by": text, "comment": "buildkit.dockerfile.v0"}
        self.history.append(row | ({"empty_layer": True} if empty else {}))

    @property
    def created(self) -> str:
        """When what was made last was made: lines that make no layer take no time of their own, so that a build from
        the cache is the same image.
        """
        return next((row["created"] for row in reversed(self.history) if row.get("created")), now())

    def words(self, text: str) -> str:
        """Variables replaced, as they are at this line."""
        return self.scope.expansion().word(text)


def from_scratch(outer: Globals) -> Stage:
    """A stage that begins with nothing."""
    system, architecture, variant = [*outer.predefined["TARGETPLATFORM"].split("/"), "", ""][:3]
    base = {"os": system, "architecture": architecture, "config": {"Env": [f"PATH={PATH}"], "WorkingDir": "/"}}
    return Stage({**base, "variant": variant}, [], outer, layer_cache.key_of({"from": "scratch"}))


def environment_of(config: Config) -> dict[str, str]:
    """ENV so far."""
    return dict(row.partition("=")[::2] for row in config.get("Env") or [])


def _env(stage: Stage, instruction: Instruction) -> str:
    expansion = stage.scope.expansion()  # all pairs of one line see what was before it
    pairs = {expansion.word(name): expansion.word(value or "") for name, value in instruction.pairs}
    stage.scope.env.update(pairs)
    stage.config["Env"] = [f"{name}={value}" for name, value in stage.scope.env.items()]
    return "ENV " + " ".join(f"{name}={value}" for name, value in pairs.items())


def _label(stage: Stage, instruction: Instruction) -> str:
    pairs = {stage.words(name): stage.words(value or "") for name, value in instruction.pairs}
    stage.config["Labels"] = {**(stage.config.get("Labels") or {}), **pairs}
    return "LABEL " + " ".join(f"{name}={value}" for name, value in pairs.items())


def _arg(stage: Stage, instruction: Instruction) -> str:
    """The history has the Dockerfile's own default, whatever --build-arg says."""
    expansion = stage.scope.expansion()
    pairs = [
        (expansion.word(name), None if value is None else expansion.word(value)) for name, value in instruction.pairs
    ]
    stage.scope.declare(instruction)
    return "ARG " + " ".join(name if value is None else f"{name}={value}" for name, value in pairs)


def _workdir(stage: Stage, instruction: Instruction) -> str:
    path = stage.words(instruction.args[0])
    stage.config["WorkingDir"] = stage.absolute(path).rstrip("/") or "/"
    return f"WORKDIR {stage.config['WorkingDir']}"


def _user(stage: Stage, instruction: Instruction) -> str:
    stage.config["User"] = stage.words(instruction.args[0])
    return f"USER {stage.config['User']}"


def _quoted(words: list[str]) -> str:
    """A list of strings as Go prints it with %q: what docker's history has."""
    return f"[{' '.join(json.dumps(word, ensure_ascii=False) for word in words)}]"


def _cmd(stage: Stage, instruction: Instruction) -> str:
    stage.config["Cmd"] = stage.command(instruction)
    stage.command_set = True
    return f"CMD {_quoted(stage.config['Cmd'])}"


def _entrypoint(stage: Stage, instruction: Instruction) -> str:
    stage.config["Entrypoint"] = stage.command(instruction) if instruction.args else None
    if not stage.command_set:
        stage.config["Cmd"] = None
    return f"ENTRYPOINT {_quoted(stage.config['Entrypoint'] or [])}"


_PORTS = r"(\d+)(?:-(\d+))?(?:/(\w+))?"


def _expose(stage: Stage, instruction: Instruction) -> str:
    found: Config = {}
    for word in [word for arg in instruction.args for word in stage.scope.expansion().words(arg)]:
        # An address and a port of the host's, before the last colon, have no meaning here.
        match = re.fullmatch(_PORTS, word.rpartition(":")[2])
        protocol = (match[3] or "tcp").lower() if match else ""
        if not match or protocol not in ("tcp", "udp", "sctp"):
            raise DockerfileError(f"invalid containerPort: {word}", instruction.line)
        first, last = int(match[1]), int(match[2] or match[1])
        if not first <= last < 65536:
            raise DockerfileError(f"invalid containerPort: {word}", instruction.line)
        found |= {f"{port}/{protocol}": {} for port in range(first, last + 1)}
    stage.config["ExposedPorts"] = {**(stage.config.get("ExposedPorts") or {}), **found}
    return f"EXPOSE [{' '.join(found)}]"


def _volume(stage: Stage, instruction: Instruction) -> str:
    paths = [stage.words(arg) for arg in instruction.args]
    stage.config["Volumes"] = {**(stage.config.get("Volumes") or {}), **{path: {} for path in paths}}
    return f"VOLUME [{' '.join(paths)}]"


def _stop_signal(stage: Stage, instruction: Instruction) -> str:
    stage.config["StopSignal"] = stage.words(instruction.args[0])
    return f"STOPSIGNAL {stage.config['StopSignal']}"


def _shell(stage: Stage, instruction: Instruction) -> str:
    stage.config["Shell"] = list(instruction.args)
    return f"SHELL [{' '.join(stage.config['Shell'])}]"


def _maintainer(stage: Stage, instruction: Instruction) -> str:
    stage.author = instruction.args[0]
    return f"MAINTAINER {stage.author}"


def _onbuild(stage: Stage, instruction: Instruction) -> str:
    text = instructions.trigger_text(instruction)
    stage.config["OnBuild"] = [*(stage.config.get("OnBuild") or []), text]
    return ""


def _duration(nanoseconds: int) -> str:
    """A time as Go prints it: 1m30s, 250ms."""
    if nanoseconds < 10**9:
        return f"{nanoseconds / 10**6:g}ms" if nanoseconds else "0s"
    minutes, rest = divmod(nanoseconds, 60 * 10**9)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{rest // 10**9}.{rest % 10**9:09}".rstrip("0").rstrip(".")
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + f"{seconds}s"


def _healthcheck(stage: Stage, instruction: Instruction) -> str:
    from minidock.image import healthcheck

    kind = instruction.args[0].upper()
    if kind == "NONE":
        stage.config["Healthcheck"] = {"Test": ["NONE"]}
        return "HEALTHCHECK {Test:[NONE] Interval:0s Timeout:0s StartPeriod:0s StartInterval:0s Retries:0}"
    test = ["CMD" if instruction.is_json else "CMD-SHELL", *instruction.args[1:]]
    try:
        values = healthcheck.numbers({name: instruction.flag(name) for name in healthcheck.FLAGS})
    except ValueError as error:
        raise DockerfileError(str(error), instruction.line) from error
    stage.config["Healthcheck"] = {"Test": test, **{name: value for name, value in values.items() if value}}
    times = " ".join(f"{name}:{_duration(values[name])}" for name in values if name != "Retries")
    return f"HEALTHCHECK {{Test:[{' '.join(test)}] {times} Retries:{values['Retries']}}}"


# Each changes the stage and returns the row of the history.
INSTRUCTIONS: dict[str, Callable[[Stage, Instruction], str]] = {
    "ARG": _arg,
    "CMD": _cmd,
    "ENTRYPOINT": _entrypoint,
    "ENV": _env,
    "EXPOSE": _expose,
    "HEALTHCHECK": _healthcheck,
    "LABEL": _label,
    "MAINTAINER": _maintainer,
    "ONBUILD": _onbuild,
    "SHELL": _shell,
    "STOPSIGNAL": _stop_signal,
    "USER": _user,
    "VOLUME": _volume,
    "WORKDIR": _workdir,
}
