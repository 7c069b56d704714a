"""RUN as a step of a stage: what its command is, what its cache key is made of (reference, "RUN")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from minidock.build import run_mounts
from minidock.build.reasons import Reason
from minidock.build.request import HOSTNAME, Surroundings
from minidock.build.run_mounts import SCRIPT, Mounted
from minidock.build.stage import Stage
from minidock.image.dockerfile.dockerfile_errors import DockerfileError
from minidock.image.dockerfile.instructions import Instruction
from minidock.image.dockerfile.words import heredoc
from minidock.image.layer_cache import Layer, Parts

if TYPE_CHECKING:
    from minidock.build.builder import Builder

_NETWORKS = ("default", "none", "host")
_ENTITLED = {"insecure": "security.insecure"}  # what `build --allow` has to allow, by the value of --security


def step(builder: Builder, stage: Stage, instruction: Instruction) -> tuple[bool, Reason]:
    """One RUN: (whether its layer was in the cache, why). Raises `MinidockError`."""
    arguments, script = _program(stage, instruction)
    variables = stage.scope.environment()
    surroundings = _surroundings(builder, stage, instruction)
    expansion = stage.scope.expansion()
    asked = run_mounts.parse(instruction.flags.get("mount", []), expansion)
    mounted = Mounted(builder, stage, asked, script)
    parts: Parts = {
        "run": arguments,
        "arguments": variables,
        "environment": stage.scope.env,
        "user": stage.config.get("User") or "",
        "directory": stage.workdir,
        "network": surroundings.network,
        "script": script,
        "mounts": [list(mount) for mount in asked],
        "files": mounted.digests(),
        **{name: value for name, value in _unusual(surroundings).items() if value},
    }
    words = [*stage.shell, script] if script else arguments
    counted = f"|{len(variables)} {' '.join(f'{k}={v}' for k, v in variables.items())} " if variables else ""
    text = f"RUN {counted}{' '.join(words)} # buildkit"

    def make() -> Layer:
        from minidock.build import failure_shell, run_command

        with mounted as engine_mounts:
            given = {**stage.scope.proxies(), **variables, **mounted.environment}
            job = run_command.Job(
                stage, arguments, surroundings, engine_mounts, given, builder.has_run_after(instruction)
            )
            try:
                layer = run_command.run(builder.asked.paths, builder.ingest, job)
                builder.unsteady += mounted.unsteady()
                return layer
            except run_command.RunFailed as error:
                failure_shell.open_shell(builder, job, error)
                raise

    return builder.layered(stage, instruction, text, parts, make, mounted.files())


def _unusual(surroundings: Surroundings) -> Parts:
    """What counts for the cache only where it is not as usual."""
    named = surroundings.hostname != HOSTNAME
    return {"hostname": surroundings.hostname if named else "", "privileged": surroundings.privileged}


def _surroundings(builder: Builder, stage: Stage, instruction: Instruction) -> Surroundings:
    """What `build` was asked for all RUN steps, as this one's flags change it. Raises `DockerfileError`."""
    asked = builder.asked.surroundings
    network = stage.words(instruction.flag("network")) or asked.network
    if network not in _NETWORKS:
        raise DockerfileError(f"invalid network mode: {network}", instruction.line)
    security = stage.words(instruction.flag("security", "sandbox"))
    if security not in ("sandbox", *_ENTITLED):
        raise DockerfileError(f"security {security!r} is not valid", instruction.line)
    needed = _ENTITLED.get(security)
    if needed and needed not in asked.allowed:
        raise DockerfileError(f"{needed} is not allowed: build with --allow {needed}", instruction.line)
    return asked._replace(network=network, privileged=security == "insecure")


def _program(stage: Stage, instruction: Instruction) -> tuple[list[str], str]:
    """(the command of a RUN, the script that it is run with).

    The shell reads here-documents itself. One that is the whole command is a script: the shell's, or, with an
    interpreter named in its first line, a file of its own.
    """
    if instruction.is_json:
        return list(instruction.args), ""
    (text,) = instruction.args or ("",)
    if not instruction.heredocs:
        return [*stage.shell, text], ""
    first = instruction.heredocs[0]
    if len(instruction.heredocs) == 1 and heredoc(text.strip()):
        return ([SCRIPT], first.text) if first.text.startswith("#!") else ([*stage.shell, first.text], "")
    ends = "".join(f"{each.content}{each.name}\n" for each in instruction.heredocs)
    return [*stage.shell, f"{text}\n{ends}"], ""
