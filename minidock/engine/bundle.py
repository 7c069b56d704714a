"""From what a user asked for and what the image says to an OCI specification: done once, here, and nowhere below.

The runtime reads only the result, `bundle/config.json`; with `cat` it shows everything that a container is.
"""

from __future__ import annotations

import os
import stat
from typing import Any

from minidock.engine import security
from minidock.engine.connections import Surroundings
from minidock.engine.options import ContainerOptions, Limits
from minidock.engine.users import User, look_up
from minidock.errors import HostError, UsageError
from minidock.linux import cgroups, overlay, systemd
from minidock.runtime import spec as oci

Config = dict[str, Any]

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
INITS = ("/usr/bin/tini-static", "/usr/libexec/docker/docker-init", "/usr/bin/docker-init", "/usr/bin/catatonit")


def specification(
    options: ContainerOptions,
    image_config: Config,
    layers: list[str],
    container_id: str,
    directory: str,
    surroundings: Surroundings,
    points: list[dict[str, Any]],
) -> dict[str, Any]:
    """The config.json of a container whose files are in `directory`, over the image's `layers` (bottom to top).

    `image_config`: what the image wants its containers to have (OCI image spec, config.md, "config"). `points`: the
    container's mount points, as its record has them.
    """
    user = look_up([os.path.join(directory, "upper"), *layers[::-1]], options.user or image_config.get("User") or "")
    caps = security.choose_capabilities(options.cap_add, options.cap_drop, privileged=options.privileged)
    spec: dict[str, Any] = {
        "ociVersion": oci.VERSION,
        "root": {"path": "rootfs", "readonly": options.read_only},
        "hostname": surroundings.hostname,
        "process": _process(options, image_config, user, caps, surroundings),
        "mounts": [_overlay(layers, directory), *_mounts(options, surroundings.files, points)],
        "linux": {
            "namespaces": _namespaces(surroundings.netns),
            "cgroupsPath": _cgroup_path(options, container_id),
            "resources": resources(options.limits),
            "sysctl": {**_default_sysctls(options), **options.sysctls},
            "rootfsPropagation": _root_propagation(points),
        },
    }
    if options.privileged:
        spec["linux"]["devices"] = host_devices()
    else:
        spec["linux"] |= {
            "maskedPaths": security.MASKED_PATHS,
            "readonlyPaths": security.READONLY_PATHS,
            "seccomp": security.seccomp_section(caps),
        }
        spec["linux"]["resources"]["devices"] = security.DEVICE_RULES
    return spec


def _process(
    options: ContainerOptions, image_config: Config, user: User, caps: list[str], surroundings: Surroundings
) -> dict[str, Any]:
    # With -u and not root, a program gets no capabilities; the bounding set stays, for set-uid programs.
    held = caps if user.uid == 0 else []
    return {
        "terminal": options.tty,
        "user": {"uid": user.uid, "gid": user.gid, "additionalGids": user.groups},
        "args": _arguments(options, image_config),
        "env": environment(options, image_config, user, surroundings.hostname, surroundings.variables),
        "cwd": _working_directory(options, image_config),
        "capabilities": {"bounding": caps, "effective": held, "permitted": held, "inheritable": [], "ambient": []},
        "rlimits": [
            {"type": f"RLIMIT_{name.upper()}", "soft": soft % (1 << 64), "hard": hard % (1 << 64)}
            for name, (soft, hard) in options.ulimits.items()
        ],
    }


def _arguments(options: ContainerOptions, image_config: Config) -> list[str]:
    arguments = options.program(image_config)
    if not arguments:
        raise UsageError("No command specified: the image has none either, so name one after the image", exit_code=125)
    return ["/dev/init", "--", *arguments] if options.init else arguments


def _working_directory(options: ContainerOptions, image_config: Config) -> str:
    cwd: str = options.workdir or image_config.get("WorkingDir") or "/"
    if not cwd.startswith("/"):
        raise UsageError(f"the working directory '{cwd}' is invalid, it needs to be an absolute path", exit_code=125)
    return os.path.normpath(cwd)


def environment(
    options: ContainerOptions, image_config: Config, user: User, hostname: str, links: list[str]
) -> list[str]:
    """Docker's order: PATH, HOSTNAME, TERM, links, then the image's, then the user's; HOME unless somebody set it."""
    rows = [PATH, f"HOSTNAME={hostname}", *(["TERM=xterm"] if options.tty else []), *links]
    rows += image_config.get("Env") or []
    variables = dict(row.partition("=")[::2] for row in rows)
    for row in options.env:
        name, equals, value = row.partition("=")
        if equals:
            variables[name] = value
        else:
            variables.pop(name, None)  # -e NAME of a variable that the caller does not have unsets it
    variables.setdefault("HOME", user.home)
    return [f"{name}={value}" for name, value in variables.items()]


def _namespaces(netns: str | None) -> list[dict[str, str]]:
    """All new, but for the network's (`Surroundings.netns`)."""
    rows = [{"type": kind} for kind in ("mount", "pid", "uts", "ipc")]
    if netns is not None:
        rows.append({"type": "network", "path": netns} if netns else {"type": "network"})
    if cgroups.hierarchy():
        rows.append({"type": "cgroup"})
    return rows


def _default_sysctls(options: ContainerOptions) -> dict[str, str]:
    """As docker: no port below 1024 is special inside, and everybody may ping. Not on a network of somebody else's."""
    if options.network == "host" or options.network.startswith("container:") or options.privileged:
        return {}
    return {"net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 2147483647"}


def _overlay(layers: list[str], directory: str) -> dict[str, Any]:
    lower = [overlay.escaped(path) for path in reversed(layers)]
    upper, work = (overlay.escaped(os.path.join(directory, name)) for name in ("upper", "work"))
    options = [f"lowerdir={':'.join(lower)}", f"upperdir={upper}", f"workdir={work}"]
    return {"destination": "/", "type": "overlay", "source": "overlay", "options": options}


def _root_propagation(points: list[dict[str, Any]]) -> str:
    if not points:
        return "private"
    from minidock.engine import mountpoints

    return mountpoints.root_propagation(points)


def _mounts(options: ContainerOptions, directory: str, points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Docker's mounts in docker's order, then the user's, those nearer to the root first."""
    safe = ["nosuid", "noexec", "nodev"]
    writable = "rw" if options.privileged else "ro"
    rows = [
        ("/proc", "proc", "proc", safe),
        ("/dev", "tmpfs", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
        ("/dev/pts", "devpts", "devpts",
         ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
        ("/sys", "sysfs", "sysfs", [*safe, writable]),
        ("/dev/mqueue", "mqueue", "mqueue", safe),
        ("/dev/shm", "tmpfs", "shm", [*safe, "mode=1777", "size=67108864"]),
    ]  # fmt: skip
    if cgroups.hierarchy():
        rows.insert(4, ("/sys/fs/cgroup", "cgroup", "cgroup", [*safe, writable]))
    rows += [
        (f"/etc/{name}", "bind", os.path.join(directory, name), ["rbind", "rprivate"])
        for name in ("resolv.conf", "hostname", "hosts")
    ]
    if options.init:
        rows.append(("/dev/init", "bind", find_init(), ["bind", "ro", "rprivate"]))
    asked = [(p["destination"], "tmpfs" if p["type"] == "tmpfs" else "bind", p["source"] or "tmpfs", p["options"])
             for p in points]  # fmt: skip
    asked += [(path, "tmpfs", "tmpfs", words) for path, words in options.tmpfs.items()]
    taken = {row[0] for row in asked}  # what a user wants in a default mount's place takes it
    rows = [row for row in rows if row[0] not in taken and not ("/dev" in taken and row[0].startswith("/dev/"))]
    rows += sorted(asked, key=lambda row: row[0].rstrip("/").count("/"))
    return [{"destination": d, "type": t, "source": s, "options": o} for d, t, s, o in rows]


def find_init() -> str:
    """A small init program of the host, statically linked, for --init."""
    for path in INITS:
        if os.access(path, os.X_OK):
            return path
    raise HostError("--init needs a small static init program: install the package tini", exit_code=125)


def _cgroup_path(options: ContainerOptions, container_id: str) -> str:
    """Where the container's cgroup is, from the root of the hierarchy on, out of which no ".." leads."""
    if cgroups.hierarchy() and systemd.owns_the_tree():
        return systemd.container_path(options.cgroup_parent or "minidock.slice", container_id)
    return os.path.join(os.path.normpath(f"/{(options.cgroup_parent or 'minidock').lstrip('/')}"), container_id)


def resources(limits: Limits) -> dict[str, Any]:
    """The limits in the specification's terms (config-linux.md), without what was not asked for."""
    memory: dict[str, Any] = {"limit": limits.memory, "reservation": limits.memory_reservation}
    if limits.memory:
        # Docker's rule: as much swap again as memory, unless told otherwise.
        memory["swap"] = limits.memory_swap or 2 * limits.memory
    period = 100_000
    cpu = {
        "shares": limits.cpu_shares,
        "quota": round(limits.cpus * period) if limits.cpus else None,
        "period": period if limits.cpus else None,
        "cpus": limits.cpuset_cpus,
        "mems": limits.cpuset_mems,
    }
    block = {
        "weight": limits.blkio_weight,
        "throttleReadBpsDevice": _rates(limits.device_read_bps),
        "throttleWriteBpsDevice": _rates(limits.device_write_bps),
        "throttleReadIOPSDevice": _rates(limits.device_read_iops),
        "throttleWriteIOPSDevice": _rates(limits.device_write_iops),
    }
    groups = {"memory": memory, "cpu": cpu, "pids": {"limit": limits.pids}, "blockIO": block}
    asked = {name: {key: value for key, value in group.items() if value} for name, group in groups.items()}
    return {name: group for name, group in asked.items() if group}


def _rates(rows: list[tuple[str, int]]) -> list[dict[str, int]]:
    result = []
    for path, rate in rows:
        try:
            status = os.stat(path)
        except OSError as error:
            raise UsageError(f"device {path}: {os.strerror(error.errno or 0)}", exit_code=125) from error
        if not stat.S_ISBLK(status.st_mode):
            raise UsageError(f"{path} is not a block device such as /dev/sda", exit_code=125)
        major, minor = os.major(status.st_rdev), os.minor(status.st_rdev)
        if os.path.exists(f"/sys/dev/block/{major}:{minor}/partition"):
            raise UsageError(f"{path} is a partition: the kernel limits whole disks only", exit_code=125)
        result.append({"major": major, "minor": minor, "rate": rate})
    return result


def host_devices() -> list[dict[str, Any]]:
    """All device nodes of the host's /dev, for --privileged; not its terminals, which the container has of its own."""
    devices = []
    for directory, below, names in os.walk("/dev"):
        below[:] = [name for name in below if name not in ("pts", "shm", "mqueue", ".lxc", ".lxd-mounts", ".udev")]
        for name in names:
            path = os.path.join(directory, name)
            status = os.lstat(path)
            kind = "c" if stat.S_ISCHR(status.st_mode) else "b" if stat.S_ISBLK(status.st_mode) else ""
            if kind and path not in ("/dev/console", "/dev/ptmx") and name not in ("null", "zero", "full", "random",
                                                                                    "urandom", "tty"):
                devices.append({
                    "path": path, "type": kind, "major": os.major(status.st_rdev), "minor": os.minor(status.st_rdev),
                    "fileMode": stat.S_IMODE(status.st_mode), "uid": status.st_uid, "gid": status.st_gid,
                })  # fmt: skip
    return devices
