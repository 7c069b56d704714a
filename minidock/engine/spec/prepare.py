"""Prepare a container from its record: reserve addresses, write its files in /etc, write the OCI bundle."""

from __future__ import annotations

from contextlib import suppress

from minidock import state
from minidock.engine.container import records
from minidock.engine.container.container_options import ContainerOptions, from_json
from minidock.engine.container.records import Record
from minidock.engine.networks import container_networks
from minidock.engine.networks.container_networks import Surroundings
from minidock.engine.spec import bundle, init_layer, shared_namespaces
from minidock.linux import rootless, syscalls
from minidock.observe import step
from minidock.runtime import oci_spec
from minidock.runtime.oci_spec import Spec


def prepare(record: Record) -> Spec:
    """Make the container's bundle, at every start anew. After a failure, `cleanup.py` removes what was made."""
    options = from_json(record.data["options"])
    surroundings = container_networks.prepare(record, options)
    if record.data["mounts"]:
        from minidock.engine.spec import mount_points

        mount_points.prepare(record)
    shared_namespaces.prepare(record, options.isolation)
    with step("Write the OCI bundle", book="3.4"):
        return _write_bundle(record, options, surroundings, starting=True)


def write_unstarted_bundle(record: Record) -> None:
    """Write the bundle of a container that is not started now, for inspect and diff."""
    options = from_json(record.data["options"])
    _write_bundle(record, options, container_networks.on_paper(record, options), starting=False)


def _write_bundle(record: Record, options: ContainerOptions, surroundings: Surroundings, *, starting: bool) -> Spec:
    for name in ("upper", "work", "bundle", "bundle/rootfs"):
        with suppress(FileExistsError):
            syscalls.mkdir(record.path(name), 0o755 if name == "upper" else 0o711)
    init, layers = record.path("init"), record.data["layers"]
    init_layer.make(init, layers[::-1])
    config = bundle.specification(
        options, record.data["imageConfig"], [*layers, init], record.id, record.directory, surroundings,
        record.data["mounts"], shared_namespaces.share(record, options, surroundings.netns, join=starting),
    )  # fmt: skip
    is_rootless = rootless.is_on() and options.isolation.devices
    if is_rootless or record.data.get("idMaps") or any("idmap" in point["options"] for point in record.data["mounts"]):
        from minidock.engine.spec import user_namespace

        user_namespace.add(record, config)
    for directory in (record.directory, record.path("bundle")):
        state.sweep(directory)
    state.write_text(record.path("bundle", "config.json"), oci_spec.dump(config), durable=False, mode=0o600)
    with records.changing(record):
        record.data["hostname"] = surroundings.hostname
        record.data["links"] = surroundings.variables
        record.data["cgroup"] = config["linux"]["cgroupsPath"]
        record.data["networks"] = surroundings.networks
    return oci_spec.check(record.path("bundle"), config)
