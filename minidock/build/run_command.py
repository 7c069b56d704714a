"""RUN: a command in a container over the stage's files; what it has changed is a layer (book 3.5.4; reference, "RUN").

The container is an ordinary one of the engine's, with its isolation and its monitor. It is not listed, and when the
command ends, or its build is killed, it is gone; its upper directory goes to the step's workspace.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from minidock import state
from minidock.build.request import Surroundings
from minidock.build.stage import Stage
from minidock.engine.container.container_options import ContainerOptions, Isolation, Limits, Mount
from minidock.engine.container.create import check_host, create_container
from minidock.engine.container.records import Record
from minidock.engine.monitor import attach_client, spawn
from minidock.engine.monitor.monitor_client import Attachment
from minidock.engine.state_paths import Paths
from minidock.errors import MinidockError
from minidock.image.layer_cache import Layer
from minidock.image.layer_diff import ADDED, differences
from minidock.image.layer_writer import TarReader, owners_inside
from minidock.image.manifest_types import NO_MANIFEST
from minidock.image.media_types import LAYER_TYPE
from minidock.image.store_writer import Ingest
from minidock.image.stored_image import Image
from minidock.linux import id_maps
from minidock.named_tuple import NamedTuple
from minidock.observe import step

NO_LIMITS = Limits(
    memory=None, memory_reservation=None, memory_swap=None, cpus=None, cpu_period=None, cpu_quota=None,
    cpu_shares=None, cpuset_cpus="", cpuset_mems="", pids=None, blkio_weight=None, blkio_weight_device=[],
    device_read_bps=[], device_write_bps=[], device_read_iops=[], device_write_iops=[],
)  # fmt: skip
_DOCKERS_ISOLATION = Isolation(
    pid="", ipc="", uts="", userns="", cgroupns="", shm_size=None, domainname="", groups=[], devices=[],
    device_rules=[], no_new_privileges=None, seccomp="", bare_system_paths=False, apparmor="",
    masked=[], unmasked=[], writable_cgroups=False, cdi=[], oom_score_adj=None, annotations={},
)  # fmt: skip


class RunFailed(MinidockError):
    """The command of a RUN has ended with an exit code that is not 0."""


class Job(NamedTuple):
    """One command to run over a stage's files: with what around it, mounts, and variables beside ENV.

    `ahead`: whether another RUN of the stage follows.
    """

    stage: Stage
    arguments: list[str]
    surroundings: Surroundings
    mounts: Sequence[Mount]
    environment: dict[str, str]
    ahead: bool = False


def run(paths: Paths, ingest: Ingest, job: Job) -> Layer:
    """Run a command, and return the layer of what it has changed. Raises `RunFailed`, `MinidockError`."""
    check_host()
    place = os.path.join(ingest.workspace.path, f"run-{os.urandom(4).hex()}")
    os.mkdir(place, 0o700)
    code = _ended(paths, job.stage, _options(job), Attachment(stdout=True, stderr=True), place, ahead=job.ahead)
    if code:
        raise RunFailed(f'process "{" ".join(job.arguments)}" did not complete successfully: exit code: {code}')
    return _layer(ingest, job.stage, place, [mount.target for mount in job.mounts])


def shell(paths: Paths, ingest: Ingest, job: Job) -> None:
    """The shell of a stage, in the place of `job`, on this process's own streams. Nothing of what it changes stays."""
    place = os.path.join(ingest.workspace.path, f"shell-{os.urandom(4).hex()}")
    os.mkdir(place, 0o700)
    options = _options(job._replace(arguments=job.stage.shell[:1]))
    options = options._replace(
        interactive=True, tty=os.isatty(0), attach=["stdin", "stdout", "stderr"], stdin_once=True
    )
    _ended(paths, job.stage, options, Attachment(stdin=True, stdout=True, stderr=True), place)


def _ended(
    paths: Paths, stage: Stage, options: ContainerOptions, attachment: Attachment, place: str, *, ahead: bool = False
) -> int:
    """Run a container to its end: its exit code. Its files go to `place`.

    `ahead`: another RUN follows. Its monitor is started now, and is there when it is needed.
    """
    image = Image(paths.root, "sha256:" + stage.key, "", NO_MANIFEST, _config(stage))

    def take() -> tuple[Record, int]:
        if ahead:
            spawn.start_early(bridged=options.network not in ("none", "host"))
        return create_container(paths.root, options, image, keep_files=place)

    _, code = attach_client.run(paths, take, attachment, lambda line: None)
    return code


def _layer(ingest: Ingest, stage: Stage, place: str, targets: list[str]) -> Layer:
    spec = state.read_json(os.path.join(place, "config.json"))
    linux = spec["linux"]
    maps = id_maps.from_oci(linux) if linux.get("uidMappings") else None
    hidden = [mount["destination"] for mount in spec["mounts"] if mount["destination"] != "/"]
    below = list(reversed(stage.layer_paths(ingest.store.root)))
    with step("Pack what the command has changed as a layer", book="3.5.4"):
        upper = os.path.join(place, "upper")
        found = {path: kind for kind, path in differences(upper, below, {*hidden, *targets}, maps)}
        changed = _without_mountpoints(found, targets)
        diff_id, digest, size = ingest.put_layer(TarReader(upper, changed, owners_inside(maps)))
    return Layer(diff_id, digest, size, LAYER_TYPE)


def _without_mountpoints(changed: dict[str, str], targets: Sequence[str]) -> set[str]:
    """The paths that were changed, without the directories made for mounts: those that are new and empty now."""
    kept = set(changed)
    for target in targets:
        parent = target
        while (parent := os.path.dirname(parent)) in kept and changed[parent] == ADDED:
            if any(path.startswith(f"{parent}/") for path in kept):
                break
            kept.remove(parent)
    return kept


def _config(stage: Stage) -> dict[str, Any]:
    diff_ids = [layer.diff_id for layer in stage.layers]
    # What a RUN writes to a volume's place is kept like all else: no volume is made during a build.
    config = {name: value for name, value in stage.config.items() if name not in ("Volumes", "Healthcheck")}
    return {**stage.image, "config": config, "rootfs": {"type": "layers", "diff_ids": diff_ids}}


def _options(job: Job) -> ContainerOptions:
    from minidock.network.endpoint import DEFAULT_CONFIG
    from minidock.network.predefined import DEFAULT

    stage, arguments, surroundings, mounts, environment, _ = job
    # BuildKit has no variable for the host name, which is the same everywhere.
    hidden = [] if "HOSTNAME" in stage.scope.env else ["HOSTNAME"]
    # Programs may be run from there, as in BuildKit: people compile in it.
    memory = {
        mount.target: ["nosuid", "nodev", *([f"size={mount.size}"] if mount.size else [])]
        for mount in mounts
        if mount.kind == "tmpfs"
    }
    network = DEFAULT if surroundings.network == "default" else surroundings.network
    return ContainerOptions(
        image="build", command=arguments, entrypoint=[], name=None, hostname=surroundings.hostname,
        env=[*hidden, *(f"{name}={value}" for name, value in environment.items())], workdir=stage.workdir, user=None,
        interactive=False, tty=False, remove=True, init=False,
        mounts=[mount for mount in mounts if mount.kind != "tmpfs"], volumes=[], volumes_from=[],
        tmpfs=memory, read_only=False, network=network,
        attachments={DEFAULT: DEFAULT_CONFIG} if network == DEFAULT else {}, dns=[], dns_search=[],
        dns_options=[], extra_hosts=surroundings.add_host, publish=[], publish_all=False, expose=[],
        privileged=surroundings.privileged, cap_add=[], cap_drop=[], ulimits=surroundings.ulimits, sysctls={},
        labels={}, stop_signal=None, pull="never",
        isolation=_DOCKERS_ISOLATION._replace(shm_size=surroundings.shm_size), cidfile=None,
        cgroup_parent=surroundings.cgroup_parent, attach=["stdout", "stderr"], stdin_once=False, log_driver="none",
        log_options={}, restart="no", restart_retries=0, stop_timeout=None, health={"Test": ["NONE"]},
        limits=surroundings.limits or NO_LIMITS,
    )  # fmt: skip
