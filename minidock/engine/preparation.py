"""From a container's record to everything that a runtime needs: an address, the files of its own, the OCI bundle."""

from __future__ import annotations

from minidock import state
from minidock.engine import bundle, etc
from minidock.engine.options import ContainerOptions, from_json
from minidock.engine.records import Record
from minidock.linux import syscalls
from minidock.observe import step
from minidock.runtime import spec as oci


def prepare(record: Record) -> oci.Spec:
    """Make the container's bundle and return it. What was made before a failure, `recovery.discard` takes away."""
    options = from_json(record.data["options"])
    address = None
    if record.data["attachments"]:
        from minidock.network import endpoints
        from minidock.network.attachment import Attachment

        asked = {name: Attachment(**row) for name, row in record.data["attachments"].items()}
        reserved = endpoints.reserve(record.root, record.id, record.name, asked)
        record.data["networks"] = {name: endpoint._asdict() for name, endpoint in reserved.items()}
        address = next(iter(reserved.values())).address
    if record.data["mounts"]:
        from minidock.engine import mountpoints

        mountpoints.prepare(record)
    with step("what the container is, written down as an OCI bundle", book="3.4"):
        return _write_bundle(record, options, address)


def _write_bundle(record: Record, options: ContainerOptions, address: str | None) -> oci.Spec:
    hostname = options.hostname or (etc.host_name() if options.network == "host" else record.id[:12])
    for name in ("upper", "work", "bundle", "bundle/rootfs"):
        syscalls.mkdir(record.path(name), 0o755 if name == "upper" else 0o711)
    etc.write(record.directory, hostname, options.network, address)
    config = bundle.specification(
        options, record.data["imageConfig"], record.data["layers"], record.id, record.directory, hostname,
        record.data["mounts"],
    )  # fmt: skip
    state.write_text(record.path("bundle", "config.json"), oci.dump(config), durable=False, mode=0o600)
    record.data["hostname"] = hostname
    record.data["cgroup"] = config["linux"]["cgroupsPath"]
    record.save()
    return oci.check(record.path("bundle"), config)
