"""Builds: a context as a tar archive in, an image out, told line by line."""

from __future__ import annotations

import io
import json
from typing import Any

from minidock.api.call import Call
from minidock.api.models import container_config, registry_auth
from minidock.api.models.fields import Fields
from minidock.api.streams.body import BodyReader
from minidock.api.streams.build_output import BuildOutput
from minidock.build import git, http_download
from minidock.build.command import run
from minidock.build.request import Command, Output, Surroundings
from minidock.engine.container import recovery
from minidock.engine.images import registry_client
from minidock.engine.request import limits
from minidock.errors import UsageError
from minidock.explain.build.build_texts import say
from minidock.image import image_filters

_BUILDKIT = "2"
_NO_TAG = "latest"


def build(call: Call) -> None:
    """POST /build."""
    asked, quiet = _command(call), call.flag("q")
    keys = registry_auth.several(call.request.headers)
    with call.progress() as stream, registry_client.acting_for(keys):
        shown = BuildOutput(say, stream, quiet=quiet)
        image_id = run(call.paths, asked, say, None, io.BufferedReader(BodyReader(call)), shown)
        if quiet:
            stream.json({"stream": f"{image_id}\n"})
            return
        stream.json({"aux": {"ID": image_id}})
        stream.json({"stream": f"Successfully built {image_id.removeprefix('sha256:')[:12]}\n"})
        for name in asked.tags:
            stream.json({"stream": f"Successfully tagged {_with_tag(name)}\n"})


def _with_tag(name: str) -> str:
    return name if ":" in name.rpartition("/")[2] else f"{name}:{_NO_TAG}"


def _command(call: Call) -> Command:
    if call.text("version") == _BUILDKIT:
        raise UsageError("BuildKit's protocol is not spoken here: set DOCKER_BUILDKIT=0")
    if call.flag("squash"):
        raise UsageError("squash is only supported with experimental mode")
    remote = call.text("remote")
    if remote and not (git.parse(remote) or http_download.is_address(remote)):
        raise UsageError(f"{remote} is no address of a repository or an archive")
    arguments = _table(call, "buildargs")
    return Command(
        context=remote or "-",
        file=_dockerfile(call.text("dockerfile")),
        tags=[name for name in call.texts("t") if name],
        build_args=[name if value is None else f"{name}={value}" for name, value in arguments.items()],
        target=call.text("target"),
        no_cache=call.flag("nocache"),
        no_cache_stages=[],
        pull=call.flag("pull"),
        labels=Fields({"labels": _table(call, "labels")}).table("labels"),
        annotations={},
        surroundings=_surroundings(call),
        secrets={},
        ssh={},
        contexts={},
        platform=call.text("platform"),
        outputs=[Output("image")],
        cache_from=[],
        cache_to=[],
        metadata_file="",
        iidfile="",
        shell_on_failure=False,
        progress="plain",
        check=False,
    )


def _dockerfile(path: str) -> str:
    """A path in the context: nothing outside of it is read, wherever the path leads."""
    if path.startswith("/") or ".." in path.split("/") or path == "-":
        raise UsageError(f"the Dockerfile ({path}) must be within the build context")
    return path or "Dockerfile"


def _surroundings(call: Call) -> Surroundings:
    numbers = {"memory": "memory", "memory_swap": "memswap", "cpu_shares": "cpushares", "cpu_period": "cpuperiod",
               "cpu_quota": "cpuquota"}  # fmt: skip
    asked = {
        **container_config.resources(Fields({})),
        **{flag: call.number(name) or None for flag, name in numbers.items()},
        "cpuset_cpus": call.text("cpusetcpus"),
        "cpuset_mems": call.text("cpusetmems"),
    }
    return Surroundings(
        network=call.text("networkmode") or "default",
        add_host=[(name, address) for name, _, address in (_host(text) for text in _hosts(call))],
        limits=limits.parse(asked),
        ulimits={},
        shm_size=call.number("shmsize") or None,
        cgroup_parent=call.text("cgroupparent") or None,
        allowed=["network.host"],
    )


def _hosts(call: Call) -> list[str]:
    return [text for row in call.texts("extrahosts") for text in row.split(",") if text]


def _host(text: str) -> tuple[str, str, str]:
    return text.partition("=") if "=" in text else text.partition(":")


def _table(call: Call, name: str) -> dict[str, Any]:
    """A parameter that is a JSON object."""
    text = call.text(name)
    try:
        found = json.loads(text) if text else {}
    except ValueError as error:
        raise UsageError(f"error reading {name}: {error}") from None
    if not isinstance(found, dict):
        raise UsageError(f"error reading {name}: it is no object")
    return found


def prune(call: Call) -> None:
    """POST /build/prune."""
    from minidock.build import cache_usage

    wanted = image_filters.parse(call.filters(), cache_usage.FOR_PRUNE)
    recovery.sweep_all(call.root)
    keep = call.number("keep-storage", 0) or 0
    pruned = cache_usage.prune(call.root, wanted, everything=call.flag("all"), keep=keep)
    call.json({"CachesDeleted": pruned.names or None, "SpaceReclaimed": pruned.size})


def cancel(call: Call) -> None:
    """POST /build/cancel: a build ends with the connection that asked for it; there are none that go on."""
    call.empty()
