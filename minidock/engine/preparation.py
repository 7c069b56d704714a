"""From a container's record to everything that a runtime needs: an address, the files of its own, the OCI bundle."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from minidock import state
from minidock.engine import bundle, etc, records
from minidock.engine.options import ContainerOptions, from_json
from minidock.engine.records import Record
from minidock.linux import syscalls
from minidock.observe import step
from minidock.runtime import spec as oci


def prepare(record: Record) -> oci.Spec:
    """Make the container's bundle, at every start anew. What was made before a failure, `recovery` undoes."""
    options = from_json(record.data["options"])
    networks: dict[str, Any] = {}
    if record.data["attachments"]:
        from minidock.network import endpoints
        from minidock.network.attachment import Attachment

        asked = {name: Attachment(**row) for name, row in record.data["attachments"].items()}
        reserved = endpoints.reserve(record.root, record.id, record.name, asked)
        networks = {name: endpoint._asdict() for name, endpoint in reserved.items()}
    if record.data["mounts"]:
        from minidock.engine import mountpoints

        mountpoints.prepare(record)
    with step("what the container is, written down as an OCI bundle", book="3.4"):
        return write_bundle(record, options, networks)


def write_bundle(record: Record, options: ContainerOptions, networks: dict[str, Any]) -> oci.Spec:
    """The directories, files and config.json of a container. `networks`: what it has on each."""
    hostname = options.hostname or (etc.host_name() if options.network == "host" else record.id[:12])
    for name in ("upper", "work", "bundle", "bundle/rootfs"):
        with suppress(FileExistsError):
            syscalls.mkdir(record.path(name), 0o755 if name == "upper" else 0o711)
    address = next((row["address"] for row in networks.values()), None)
    etc.write(record.directory, hostname, options.network, address)
    config = bundle.specification(
        options, record.data["imageConfig"], record.data["layers"], record.id, record.directory, hostname,
        record.data["mounts"],
    )  # fmt: skip
    state.write_text(record.path("bundle", "config.json"), oci.dump(config), durable=False, mode=0o600)
    with records.changing(record):
        record.data["hostname"] = hostname
        record.data["cgroup"] = config["linux"]["cgroupsPath"]
        record.data["networks"] = networks
    return oci.check(record.path("bundle"), config)
