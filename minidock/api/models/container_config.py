"""The body of `POST /containers/create` as the engine's `ContainerOptions` (Docker Engine API, ContainerConfig).

Where the engine reads texts (`engine/request`), JSON is put into those words first, so that a value means, and is
refused, the same however it comes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minidock import durations
from minidock.api.models import endpoint_settings
from minidock.api.models.fields import Fields
from minidock.engine.container.container_options import ContainerOptions, Mount
from minidock.engine.request import isolation, limits, mount_flags, ports, values
from minidock.engine.request.network_flags import domain, extra_host, name_server
from minidock.errors import UsageError

Tell = Callable[[str], None]

_TIMES = ("Interval", "Timeout", "StartPeriod", "StartInterval")
_RATES = {"device_read_bps": "BlkioDeviceReadBps", "device_write_bps": "BlkioDeviceWriteBps",
          "device_read_iops": "BlkioDeviceReadIOps", "device_write_iops": "BlkioDeviceWriteIOps"}  # fmt: skip


def read(root: str, name: str, config: Fields, tell: Tell) -> ContainerOptions:
    """`tell` is given what is not refused but has no effect. Raises `UsageError`, in docker's words if it has some."""
    host = config.child("HostConfig")
    networks = endpoint_settings.read(root, config, host, tell)
    restart, retries = _restart(host)
    log = host.child("LogConfig")
    publish = _publish(host)
    ports.refuse_with(networks["network"], publish)
    binds = [mount_flags.volume(text, host.text("VolumeDriver")) for text in host.texts("Binds")]
    workdir = config.text("WorkingDir")
    if workdir and not workdir.startswith("/"):
        raise UsageError(f"the working directory '{workdir}' is invalid, it needs to be an absolute path")
    return ContainerOptions(
        image=config.text("Image"),
        command=config.words("Cmd") or [],
        entrypoint=_entrypoint(config.words("Entrypoint")),
        name=name or None,
        hostname=values.hostname(config.text("Hostname")),
        env=_environment(config),
        workdir=workdir or None,
        user=config.text("User") or None,
        interactive=config.flag("OpenStdin"),
        tty=config.flag("Tty"),
        remove=host.flag("AutoRemove"),
        init=host.flag("Init"),
        mounts=[*(bind for bind in binds if isinstance(bind, Mount)), *map(_mount, host.children("Mounts"))],
        volumes=[*(bind for bind in binds if isinstance(bind, str)), *map(mount_flags.place, config.names("Volumes"))],
        volumes_from=[mount_flags.volumes_from(text) for text in host.texts("VolumesFrom")],
        tmpfs=dict(mount_flags.tmpfs(f"{path}:{words}") for path, words in host.table("Tmpfs").items()),
        read_only=host.flag("ReadonlyRootfs"),
        **networks,
        dns=[name_server(text) for text in host.texts("Dns")],
        dns_search=[domain(text) for text in host.texts("DnsSearch")],
        dns_options=host.texts("DnsOptions"),
        extra_hosts=[extra_host(text) for text in host.texts("ExtraHosts")],
        publish=publish,
        publish_all=host.flag("PublishAllPorts"),
        expose=ports.expose(tuple(config.names("ExposedPorts"))),
        privileged=host.flag("Privileged"),
        cap_add=host.words("CapAdd") or [],
        cap_drop=host.words("CapDrop") or [],
        ulimits=dict(_ulimit(row) for row in host.children("Ulimits")),
        sysctls=dict(values.sysctl(f"{key}={value}", networks["network"])
                     for key, value in host.table("Sysctls").items()),
        labels=config.table("Labels"),
        isolation=isolation.parse(_isolation(config, host), tell),
        stop_signal=values.stop_signal(signal) if (signal := config.text("StopSignal")) else None,
        pull="never",
        cidfile=None,
        cgroup_parent=host.text("CgroupParent") or None,
        attach=[name for name in ("stdin", "stdout", "stderr") if config.flag(f"Attach{name.capitalize()}")],
        stdin_once=config.flag("StdinOnce"),
        log_driver=values.log_driver(log.text("Type") or "json-file", log.table("Config")),
        log_options=log.table("Config"),
        restart=restart,
        restart_retries=retries,
        stop_timeout=config.maybe_number("StopTimeout"),
        health=_health(config),
        limits=limits.parse(resources(host)),
    )  # fmt: skip


def _entrypoint(words: list[str] | None) -> list[str] | None:
    """Docker's [""] is none at all, an empty list the image's."""
    return None if not words else [] if words == [""] else words


def _environment(config: Fields) -> list[str]:
    rows = config.texts("Env")
    for row in rows:
        if not row.partition("=")[0]:
            raise UsageError(f"invalid environment variable: {row}")
    return rows


def _restart(host: Fields) -> tuple[str, int]:
    policy = host.child("RestartPolicy")
    name, count = policy.text("Name") or "no", policy.number("MaximumRetryCount")
    found = values.restart_policy(f"{name}:{count}" if count else name)
    if found[0] != "no" and host.flag("AutoRemove"):
        raise UsageError("can't create 'AutoRemove' container with restart policy")
    return found


def _ulimit(row: Fields) -> tuple[str, tuple[int, int]]:
    return values.ulimit(f"{row.text('Name')}={row.number('Soft')}:{row.number('Hard')}")


def _publish(host: Fields) -> list[Any]:
    texts = []
    bindings = host.child("PortBindings")
    for port in bindings.content:
        for row in bindings.children(port) or [Fields({})]:
            address = row.text("HostIp")
            address = f"[{address}]" if ":" in address else address
            outside = row.raw("HostPort")
            texts.append(f"{address}:{'' if outside in (None, 0, '0') else outside}:{port}")
    return ports.publish(tuple(text.removeprefix("::") if text.startswith("::") else text for text in texts))


def _health(config: Fields) -> dict[str, Any] | None:
    asked = config.child("Healthcheck")
    check: dict[str, Any] = {}
    if test := asked.texts("Test"):
        check["Test"] = test
    if retries := asked.number("Retries"):
        if retries < 0:
            raise UsageError("Retries in Healthcheck cannot be negative")
        check["Retries"] = retries
    for key in _TIMES:
        if duration := asked.number(key):
            if duration < durations.SHORTEST:
                raise UsageError(f"{key} in Healthcheck cannot be less than 1ms")
            check[key] = duration
    return check or None


def _mount(row: Fields) -> Mount:
    bind, volume, tmpfs = row.child("BindOptions"), row.child("VolumeOptions"), row.child("TmpfsOptions")
    kind = row.text("Type")
    recursion = "enabled"
    for key, word in (("NonRecursive", "disabled"), ("ReadOnlyNonRecursive", "writable"),
                      ("ReadOnlyForceRecursive", "readonly")):  # fmt: skip
        recursion = word if bind.flag(key) else recursion
    driver = volume.child("DriverConfig")
    return mount_flags.checked(mount_flags.plain(kind, row.text("Source"), row.text("Target"))._replace(
        read_only=row.flag("ReadOnly"), propagation=bind.text("Propagation"), recursion=recursion,
        create=bind.flag("CreateMountpoint"), copy=not volume.flag("NoCopy"), subpath=volume.text("Subpath"),
        labels=volume.table("Labels"), driver=driver.text("Name"), driver_options=driver.table("Options"),
        size=tmpfs.number("SizeBytes"), permissions=tmpfs.number("Mode") & 0o7777,
    ))  # fmt: skip


def _isolation(config: Fields, host: Fields) -> dict[str, Any]:
    """The flags that say as much."""
    options = host.texts("SecurityOpt")
    if host.raw("MaskedPaths") == [] and host.raw("ReadonlyPaths") == []:  # what the client makes of systempaths=...
        options.append("systempaths=unconfined")
    return {
        "oom_score_adj": host.number("OomScoreAdj") or None,
        "memory_swappiness": host.maybe_number("MemorySwappiness"),
        "oom_kill_disable": host.flag("OomKillDisable"),
        "kernel_memory": host.number("KernelMemory") or None,
        "isolation": host.text("Isolation"),
        "runtime": host.text("Runtime"),
        "gpus": _gpus(host),
        "storage_opt": host.table("StorageOpt"),
        "device_cgroup_rule": host.texts("DeviceCgroupRules"),
        "pid": host.text("PidMode"),
        "ipc": host.text("IpcMode"),
        "uts": host.text("UTSMode"),
        "hostname": "",
        "userns": host.text("UsernsMode"),
        "cgroupns": host.text("CgroupnsMode"),
        "shm_size": host.number("ShmSize") or None,
        "domainname": config.text("Domainname"),
        "group_add": host.texts("GroupAdd"),
        "device": [*(":".join(_device(row)) for row in host.children("Devices")), *_cdi(host)],
        "security_opt": tuple(options),
        "annotation": tuple(f"{key}={value}" for key, value in host.table("Annotations").items()),
    }


def _gpus(host: Fields) -> str:
    """The first request for graphics cards, as the flag has it; a count of -1 is all."""
    for row in host.children("DeviceRequests"):
        if row.text("Driver") != "cdi":
            ids, count = row.texts("DeviceIDs"), row.number("Count")
            return "device=" + ",".join(ids) if ids else "all" if count < 0 else str(count)
    return ""


def _cdi(host: Fields) -> list[str]:
    requests = (row for row in host.children("DeviceRequests") if row.text("Driver") == "cdi")
    return [name for row in requests for name in row.texts("DeviceIDs")]


def _device(row: Fields) -> tuple[str, str, str]:
    source = row.text("PathOnHost")
    return source, row.text("PathInContainer") or source, row.text("CgroupPermissions") or "rwm"


def resources(host: Fields) -> dict[str, Any]:
    """The limits as flags; 0 is docker's way of asking for none."""
    cpus = host.number("NanoCpus") / 1e9
    return {
        "memory": host.number("Memory") or None,
        "memory_reservation": host.number("MemoryReservation") or None,
        "memory_swap": host.number("MemorySwap") or None,
        "cpus": cpus or None,
        "cpu_period": host.number("CpuPeriod") or None,
        "cpu_quota": host.number("CpuQuota") or None,
        "cpu_rt_period": host.number("CpuRealtimePeriod") or None,
        "cpu_rt_runtime": host.number("CpuRealtimeRuntime") or None,
        "cpu_shares": host.number("CpuShares") or None,
        "cpuset_cpus": host.text("CpusetCpus"),
        "cpuset_mems": host.text("CpusetMems"),
        "pids_limit": host.number("PidsLimit") or None,
        "blkio_weight": host.number("BlkioWeight") or None,
        "blkio_weight_device": [f"{row.text('Path')}:{row.number('Weight')}"
                                for row in host.children("BlkioWeightDevice")],
        **{flag: [f"{row.text('Path')}:{row.number('Rate')}" for row in host.children(key)]
           for flag, key in _RATES.items()},
    }  # fmt: skip
