"""Make the OCI specification from a container's options and its image's configuration: only here, and nowhere below.

The runtime reads only the result, `bundle/config.json`, which `cat` shows.
"""

from __future__ import annotations

import os
import stat
from typing import Any

from minidock.engine.container.container_options import ContainerOptions, Limits
from minidock.engine.networks.container_networks import Surroundings
from minidock.engine.spec import devices, security
from minidock.engine.spec.environment import environment
from minidock.engine.spec.shared_namespaces import Shared
from minidock.engine.spec.users import User, look_up
from minidock.errors import HostError, UsageError
from minidock.linux import cgroups, lsm, overlay, rootless, systemd
from minidock.runtime import oci_spec

Config = dict[str, Any]

# Files in /etc that each container has of its own.
FOR_NAMES = ("resolv.conf", "hostname", "hosts")
INITS = ("/usr/bin/tini-static", "/usr/libexec/docker/docker-init", "/usr/bin/docker-init", "/usr/bin/catatonit")


def specification(
    options: ContainerOptions,
    image_config: Config,
    layers: list[str],
    container_id: str,
    directory: str,
    surroundings: Surroundings,
    points: list[dict[str, Any]],
    shared: Shared,
) -> dict[str, Any]:
    """The config.json of a container whose files are in `directory`, over the image's `layers` (bottom to top).

    `image_config`: what the image wants its containers to have (OCI image spec, config.md, "config"). `points`: the
    container's mount points, as its record has them. `shared`: its namespaces, and the mounts that go with them.
    """
    topmost_first = [os.path.join(directory, "upper"), *layers[::-1]]
    user = look_up(topmost_first, options.user or image_config.get("User") or "", options.isolation.groups)
    caps = security.choose_capabilities(options.cap_add, options.cap_drop, privileged=options.privileged)
    spec: dict[str, Any] = {
        "ociVersion": oci_spec.VERSION,
        "root": {"path": "rootfs", "readonly": options.read_only},
        "hostname": surroundings.hostname,
        "process": _process(options, image_config, user, caps, surroundings, points),
        "mounts": [_overlay(layers, directory), *_mounts(options, surroundings.files, points, shared)],
        "linux": {
            "namespaces": shared.namespaces,
            "cgroupsPath": _cgroup_path(options, container_id),
            "resources": resources(options.limits),
            "sysctl": {**_default_sysctls(options), **options.sysctls, **_domain_name(options)},
            "rootfsPropagation": _root_propagation(points),
        },
    }
    if options.isolation.uts == "host":
        del spec["hostname"]
    if options.isolation.annotations:
        spec["annotations"] = options.isolation.annotations
    _protect(spec["linux"], options, caps)
    if lsm.has_apparmor():
        from minidock.engine.spec import apparmor

        if profile := apparmor.profile_for(options.isolation.apparmor, privileged=options.privileged):
            spec["process"]["apparmorProfile"] = profile
    if options.isolation.cdi:
        from minidock.engine.spec import cdi

        cdi.apply(spec, options.isolation.cdi)
    return spec


def _protect(linux: dict[str, Any], options: ContainerOptions, caps: list[str]) -> None:
    """What keeps the container's root from the host's devices, kernel files and system calls (book 9)."""
    isolation = options.isolation
    nodes, rules = devices.asked(isolation.devices, isolation.device_rules)
    if options.privileged:
        linux["devices"] = devices.host_devices()
    linux["resources"]["devices"] = security.ALL_DEVICES if options.privileged else [*security.DEVICE_RULES, *rules]
    masked, fixed = security.system_paths(isolation, bare=options.privileged or isolation.bare_system_paths)
    if masked or fixed:
        linux |= {"maskedPaths": masked, "readonlyPaths": fixed}
    if nodes:
        linux["devices"] = [*linux.get("devices", ()), *nodes]
    profile = isolation.seccomp or ("unconfined" if options.privileged else "builtin")
    if profile != "unconfined":
        linux["seccomp"] = security.seccomp_section(caps, None if profile == "builtin" else profile)


def _process(
    options: ContainerOptions,
    image_config: Config,
    user: User,
    caps: list[str],
    surroundings: Surroundings,
    points: list[dict[str, Any]],
) -> dict[str, Any]:
    # With -u and not root, a program gets no capabilities; the bounding set stays, for set-uid programs.
    held = caps if user.uid == 0 else []
    process: dict[str, Any] = {
        "terminal": options.tty,
        "user": {"uid": user.uid, "gid": user.gid, "additionalGids": user.groups},
        "args": _arguments(options, image_config, points),
        "env": environment(options, image_config, user, surroundings.hostname, surroundings.variables),
        "cwd": _working_directory(options, image_config),
        "capabilities": {"bounding": caps, "effective": held, "permitted": held, "inheritable": [], "ambient": []},
        "rlimits": [
            {"type": f"RLIMIT_{name.upper()}", "soft": soft % (1 << 64), "hard": hard % (1 << 64)}
            for name, (soft, hard) in options.ulimits.items()
        ],
    }
    if options.isolation.no_new_privileges:
        process["noNewPrivileges"] = True
    if options.isolation.oom_score_adj is not None:
        process["oomScoreAdj"] = options.isolation.oom_score_adj
    return process


def _arguments(options: ContainerOptions, image_config: Config, points: list[dict[str, Any]]) -> list[str]:
    arguments = options.program(image_config)
    return [_init_place(options, points), "--", *arguments] if options.init else arguments


def _init_place(options: ContainerOptions, points: list[dict[str, Any]]) -> str:
    """Where --init's program is inside: in /dev, of which nothing stays. Not in a user's own, the host's perhaps."""
    taken = {point["destination"] for point in points} | set(options.tmpfs)
    return "/sbin/minidock-init" if "/dev" in taken else "/dev/init"


def _working_directory(options: ContainerOptions, image_config: Config) -> str:
    cwd: str = options.workdir or image_config.get("WorkingDir") or "/"
    if not cwd.startswith("/"):
        raise UsageError(f"the working directory '{cwd}' is invalid, it needs to be an absolute path", exit_code=125)
    return os.path.normpath(cwd)


def _domain_name(options: ContainerOptions) -> dict[str, str]:
    """The UTS namespace's other name; the specification knows a field for it since 1.1, every runtime the sysctl."""
    return {"kernel.domainname": options.isolation.domainname} if options.isolation.domainname else {}


def _default_sysctls(options: ContainerOptions) -> dict[str, str]:
    """As docker: no port below 1024 is special inside, and everybody may ping. Not on a network of somebody else's."""
    if options.network == "host" or options.network.startswith("container:") or options.privileged:
        return {}
    groups = {} if rootless.is_on() else {"net.ipv4.ping_group_range": "0 2147483647"}  # which are not all mapped
    return {"net.ipv4.ip_unprivileged_port_start": "0", **groups}


def _overlay(layers: list[str], directory: str) -> dict[str, Any]:
    lower = [overlay.escaped(path) for path in reversed(layers)]
    upper, work = (overlay.escaped(os.path.join(directory, name)) for name in ("upper", "work"))
    options = [f"lowerdir={':'.join(lower)}", f"upperdir={upper}", f"workdir={work}"]
    return {"destination": "/", "type": "overlay", "source": "overlay", "options": options}


def _root_propagation(points: list[dict[str, Any]]) -> str:
    if not points:
        return "private"
    from minidock.engine.spec import mount_points

    return mount_points.root_propagation(points)


def _mounts(
    options: ContainerOptions, directory: str, points: list[dict[str, Any]], shared: Shared
) -> list[dict[str, Any]]:
    """Docker's mounts in docker's order, then the user's, those nearer to the root first.

    The three files for names are sorted in with the user's: a volume on /etc would hide them otherwise.
    """
    safe = ["nosuid", "noexec", "nodev"]
    writable = "rw" if options.privileged else "ro"
    rows = [
        ("/proc", "proc", "proc", safe),
        ("/dev", "tmpfs", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
        ("/dev/pts", "devpts", "devpts",
         ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
        ("/sys", "sysfs", "sysfs", [*safe, writable]),
        *shared.mounts,
    ]  # fmt: skip
    if cgroups.hierarchy():
        access = "rw" if options.isolation.writable_cgroups else writable
        rows.insert(4, ("/sys/fs/cgroup", "cgroup", "cgroup", [*safe, access]))
    if options.init:
        rows.append((_init_place(options, points), "bind", find_init(), ["bind", "ro", "rprivate"]))
    asked = [(p["destination"], "tmpfs" if p["type"] == "tmpfs" else "bind", p["source"] or "tmpfs", p["options"])
             for p in points]  # fmt: skip
    asked += [(path, "tmpfs", "tmpfs", words) for path, words in options.tmpfs.items()]
    taken = {row[0] for row in asked}  # what a user wants in a default mount's place takes it
    rows = [row for row in rows if row[0] not in taken and not ("/dev" in taken and row[0].startswith("/dev/"))]
    files = [(f"/etc/{name}", "bind", os.path.join(directory, name), ["rbind", "rprivate"])
             for name in FOR_NAMES if f"/etc/{name}" not in taken]  # fmt: skip
    rows += sorted([*files, *asked], key=lambda row: row[0].rstrip("/").count("/"))
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
    period = limits.cpu_period or 100_000
    quota = round(limits.cpus * period) if limits.cpus else limits.cpu_quota
    cpu = {
        "shares": limits.cpu_shares,
        "quota": quota,
        "period": period if quota or limits.cpu_period else None,
        "cpus": limits.cpuset_cpus,
        "mems": limits.cpuset_mems,
    }
    block = {
        "weight": limits.blkio_weight,
        "weightDevice": _rates([row for row in limits.blkio_weight_device if row[1]], "weight"),
        "throttleReadBpsDevice": _rates(limits.device_read_bps),
        "throttleWriteBpsDevice": _rates(limits.device_write_bps),
        "throttleReadIOPSDevice": _rates(limits.device_read_iops),
        "throttleWriteIOPSDevice": _rates(limits.device_write_iops),
    }
    groups = {"memory": memory, "cpu": cpu, "pids": {"limit": limits.pids}, "blockIO": block}
    asked = {name: {key: value for key, value in group.items() if value} for name, group in groups.items()}
    return {name: group for name, group in asked.items() if group}


def _rates(rows: list[tuple[str, int]], word: str = "rate") -> list[dict[str, int]]:
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
        result.append({"major": major, "minor": minor, word: rate})
    return result
