"""The flags of `run` and `create`, and what they mean: from words on a command line to `ContainerOptions`."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

import click

from minidock.cli import health, isolation, mounts, networking, ports, values
from minidock.engine.options import ContainerOptions, Limits, Mount

MEMORY_MIN = 6 << 20
# What follows the image is the container's. -h is --hostname here.
CONTEXT = {"allow_interspersed_args": False, "help_option_names": ["--help"]}


def flag(short: str, help_: str, default: bool | None = False) -> Callable[[Any], Any]:
    """A switch --x that can also be turned off with --x=false."""
    names, (name, *_) = short.split(), [word.lstrip("-") for word in short.split() if word.startswith("--")]
    return click.option(*names[:-1], f"{names[-1]}/--no-{name}", default=default, help=help_)


def list_option(name: str, help_: str, metavar: str = "TEXT", short: str | None = None) -> Callable[[Any], Any]:
    names = [short, name] if short else [name]
    return click.option(*names, multiple=True, metavar=metavar, help=help_)


# Those that `update` changes, too.
LIMITS = [
    click.option("-m", "--memory", type=values.Size(), help="Memory limit."),
    click.option("--memory-reservation", type=values.Size(), help="Memory protected from being reclaimed first."),
    click.option("--memory-swap", type=values.Size(unlimited=True), help="Memory and swap together; -1: unlimited."),
    click.option("--cpus", type=float, help="Number of processors' worth of time."),
    click.option("--cpu-period", type=int, help="Microseconds after which --cpu-quota begins anew [100000]."),
    click.option("--cpu-quota", type=int, help="Microseconds of processor time in a period."),
    click.option("-c", "--cpu-shares", type=int, help="Relative share of processor time (1024 is normal)."),
    click.option("--cpuset-cpus", default="", metavar="LIST", help="Processors that may be used (0-3, 0,1)."),
    click.option("--cpuset-mems", default="", metavar="LIST", help="Memory nodes that may be used (0-3, 0,1)."),
    click.option("--pids-limit", type=int, help="Number of processes and threads; -1: unlimited."),
    click.option("--blkio-weight", type=int, help="Relative share of disk time, 10 to 1000; 0: normal."),
]
_DEVICE_LIMITS = [
    list_option("--blkio-weight-device", "The same on one device.", "DEVICE:WEIGHT"),
    list_option("--device-read-bps", "Bytes a second read from a device.", "DEVICE:RATE"),
    list_option("--device-write-bps", "Bytes a second written to a device.", "DEVICE:RATE"),
    list_option("--device-read-iops", "Reads a second from a device.", "DEVICE:RATE"),
    list_option("--device-write-iops", "Writes a second to a device.", "DEVICE:RATE"),
    click.option("--cgroup-parent", help="Parent control group of the container's."),
]

_NETWORKING = [
    click.option("--network", "--net", multiple=True, metavar="NETWORK",
                 help="A network's name, bridge, none, host, or container:NAME for another container's."),
    list_option("--network-alias", "Another name on the network.", "NAME"),
    click.option("--ip", metavar="ADDRESS", help="IPv4 address on the network."),
    click.option("--ip6", metavar="ADDRESS", help="IPv6 address on the network."),
    click.option("--mac-address", metavar="ADDRESS", help="Hardware address on the network."),
    list_option("--link", "Know another container by its name, or by an alias.", "CONTAINER[:ALIAS]"),
    list_option("--dns", "Name server to ask instead of the host's.", "ADDRESS"),
    list_option("--dns-search", "Domain in which short names are looked up; '.' for none.", "DOMAIN"),
    list_option("--dns-option", "Option for resolv.conf.", "OPTION"),
    list_option("--add-host", "A line for /etc/hosts; the address host-gateway is the host's.", "NAME:ADDRESS"),
]  # fmt: skip

_OPTIONS = [
    flag("-i --interactive", "Pass standard input to the container [on a terminal: yes].", None),
    flag("-t --tty", "Give the container a terminal [on a terminal: yes].", None),
    flag("--rm", "Remove the container when it ends."),
    click.option("--name", help="Name of the container."),
    click.option("-h", "--hostname", help="Host name inside the container."),
    list_option("--env", "Set a variable, or pass on the caller's.", "NAME[=VALUE]", "-e"),
    list_option("--env-file", "Read variables from a file.", "FILE"),
    click.option("-w", "--workdir", help="Working directory inside the container."),
    click.option("-u", "--user", metavar="USER[:GROUP]", help="Name or number, as the image knows it."),
    click.option("--entrypoint", help="Replace the image's entry point."),
    list_option("--volume", "Show a directory of the host, or a volume, inside.", "[SRC:]DST[:ro]", "-v"),
    list_option("--mount", "The same in so many words: type=bind|volume|tmpfs,source=...,target=...", "KEY=VALUE,..."),
    list_option("--volumes-from", "Use another container's volumes and binds.", "CONTAINER[:ro]"),
    click.option("--volume-driver", default="", metavar="local", help="Driver of the volumes that -v names."),
    flag("--read-only", "Make the container's root read-only."),
    list_option("--tmpfs", "Mount a file system in memory.", "PATH[:OPTIONS]"),
    *_NETWORKING,
    list_option("--publish", "Have a port of the host lead to one inside.", "[[IP:]HOST:]PORT[/PROTO]", "-p"),
    flag("-P --publish-all", "Publish all exposed ports on free ones of the host."),
    list_option("--expose", "Name a port that the container listens on.", "PORT[/PROTO]"),
    flag("--init", "Run a small init as PID 1 that reaps and passes on signals."),
    flag("--privileged", "Give the container all power over the host."),
    list_option("--cap-add", "Add a capability.", "CAP"),
    list_option("--cap-drop", "Drop a capability.", "CAP"),
    list_option("--ulimit", "Set a resource limit.", "NAME=SOFT[:HARD]"),
    list_option("--sysctl", "Set a kernel parameter of the container's namespaces.", "NAME=VALUE"),
    list_option("--label", "Set a label.", "KEY[=VALUE]", "-l"),
    list_option("--label-file", "Read labels from a file.", "FILE"),
    click.option("--stop-signal", help="Signal that stops the container."),
    click.option("--pull", type=click.Choice(["missing", "always", "never"]), default="missing",
                 help="When to ask the registry for the image."),
    click.option("--platform", default="", metavar="OS/ARCH[/VARIANT]", help="The image for this kind of machine."),
    click.option("-q", "--quiet", is_flag=True, help="Do not tell how the image is fetched."),
    click.option("--cidfile", metavar="FILE", help="Write the container's id to a file."),
    list_option("--attach", "Attach to this stream only [to stdout and stderr, and with -i stdin].", "STREAM", "-a"),
    click.option("--restart", default="no", metavar="POLICY",
                 help="When to start it again: no, on-failure[:MAX], always, unless-stopped."),
    click.option("--stop-timeout", type=int, metavar="SECONDS", help="How long `stop` waits before it kills [10]."),
    *health.OPTIONS,
    click.option("--log-driver", default="json-file", metavar="json-file|none", help="Where output is logged."),
    list_option("--log-opt", "Option of the log driver: max-size, max-file.", "NAME=VALUE"),
    *LIMITS,
    *_DEVICE_LIMITS,
    *isolation.OPTIONS,
]  # fmt: skip

Command = TypeVar("Command", bound=Callable[..., Any])


def with_options(command: Command) -> Command:
    """Decorate a click command with all flags of a new container."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def check_root() -> None:
    """Namespaces and mounts need root. Say so before anything fails half-way."""
    if os.geteuid() != 0:
        raise values.fail("minidock needs root to make namespaces, mounts and networks: run it with sudo")


def to_options(flags: dict[str, Any], *, detached: bool = False) -> ContainerOptions:
    """The parsed flags as the one object that goes to the engine. Raises `UsageError` for a bad value.

    `detached`: no command will wait for the container that is started now.
    """
    interactive, tty = bool(flags["interactive"]), bool(flags["tty"])
    if not detached:
        interactive, tty = _terminal_defaults(flags["interactive"], flags["tty"])
    attach = values.streams(flags["attach"], interactive=interactive)
    restart, retries = values.restart_policy(flags["restart"])
    if flags["rm"] and restart != "no":
        raise values.fail("conflicting options: cannot specify both --restart and --rm")
    log_options = values.key_values(flags["log_opt"])
    log_driver = values.log_driver(flags["log_driver"], log_options)
    networks = networking.from_flags(flags)
    entrypoint = flags["entrypoint"]
    publish = ports.publish(flags["publish"])
    ports.refuse_with(networks["network"], publish)
    volumes = [mounts.volume(text, flags["volume_driver"]) for text in flags["volume"]]
    return ContainerOptions(
        image=flags["image"],
        command=list(flags["command"]),
        entrypoint=None if entrypoint is None else [entrypoint] if entrypoint else [],
        name=flags["name"] or None,
        hostname=values.hostname(flags["hostname"] or ""),
        env=values.environment(flags["env"], flags["env_file"]),
        workdir=flags["workdir"],
        user=flags["user"],
        interactive=interactive,
        tty=tty,
        remove=flags["rm"],
        init=flags["init"],
        mounts=[*(v for v in volumes if isinstance(v, Mount)), *map(mounts.mount, flags["mount"])],
        volumes=[v for v in volumes if isinstance(v, str)],
        volumes_from=[mounts.volumes_from(text) for text in flags["volumes_from"]],
        tmpfs=dict(map(mounts.tmpfs, flags["tmpfs"])),
        read_only=flags["read_only"],
        **networks,
        publish=publish,
        publish_all=flags["publish_all"],
        expose=ports.expose(flags["expose"]),
        privileged=flags["privileged"],
        cap_add=list(flags["cap_add"]),
        cap_drop=list(flags["cap_drop"]),
        ulimits=dict(values.ulimit(text) for text in flags["ulimit"]),
        sysctls=dict(values.sysctl(text, networks["network"]) for text in flags["sysctl"]),
        labels=values.labels(flags["label"], flags["label_file"]),
        isolation=isolation.parse(flags),
        stop_signal=values.stop_signal(flags["stop_signal"]) if flags["stop_signal"] else None,
        pull=flags["pull"],
        cidfile=os.path.abspath(flags["cidfile"]) if flags["cidfile"] else None,
        cgroup_parent=flags["cgroup_parent"],
        attach=[] if detached else attach,
        stdin_once=interactive and not detached and "stdin" in attach,
        log_driver=log_driver,
        log_options=log_options,
        restart=restart,
        restart_retries=retries,
        stop_timeout=flags["stop_timeout"],
        health=health.healthcheck(flags),
        limits=to_limits(flags),
    )


def _terminal_defaults(interactive: bool | None, tty: bool | None) -> tuple[bool, bool]:
    """On a terminal, both; what was said on the command line always counts."""
    on_terminal = os.isatty(0) and os.isatty(1)
    if interactive is None and tty is None:
        return on_terminal, on_terminal
    if tty and interactive and not os.isatty(0):
        raise values.fail("the input device is not a TTY: leave -t away when standard input is a pipe or a file")
    if interactive is None:
        interactive = on_terminal and tty is False
    return interactive, bool(tty)


def to_limits(flags: dict[str, Any]) -> Limits:
    """The flags that limit a container. Raises `UsageError` for what cannot be."""
    memory, swap, cpus = flags["memory"], flags["memory_swap"], flags["cpus"]
    if memory is not None and 0 < memory < MEMORY_MIN:
        raise values.fail(f"Minimum memory limit allowed is 6MB, not {memory} bytes")
    if swap and swap > 0 and not memory:
        raise values.fail("--memory-swap is memory and swap together: set the --memory limit as well")
    if swap and memory and 0 < swap < memory:
        raise values.fail("Minimum memoryswap limit should be larger than memory limit")
    reservation = flags["memory_reservation"]
    if reservation and reservation < MEMORY_MIN:
        raise values.fail(f"Minimum memory reservation allowed is 6MB, not {reservation} bytes")
    if memory and reservation and reservation > memory:
        raise values.fail("Minimum memory limit can not be less than memory reservation limit")
    _check_quota(flags)
    if cpus and not 0.01 <= cpus <= (os.cpu_count() or 1):
        raise values.fail(f"Range of CPUs is from 0.01 to {os.cpu_count()}.00, as there are only {os.cpu_count()}")
    weight = flags["blkio_weight"]
    if weight and not 10 <= weight <= 1000:
        raise values.fail("Range of blkio weight is from 10 to 1000")
    shares = flags["cpu_shares"]
    if shares is not None and shares < 0:
        raise values.fail(f"invalid CPU shares {shares}: it cannot be negative")
    pids = flags["pids_limit"]
    return Limits(
        memory=memory or None,
        memory_reservation=reservation,
        memory_swap=swap,
        cpus=cpus or None,
        cpu_period=flags["cpu_period"] or None,
        cpu_quota=flags["cpu_quota"] or None,
        cpu_shares=shares,
        cpuset_cpus=_processors(flags["cpuset_cpus"], "cpu"),
        cpuset_mems=_processors(flags["cpuset_mems"], "node"),
        pids=-1 if pids is not None and pids <= 0 else pids,
        blkio_weight=weight,
        blkio_weight_device=[values.device_weight(text) for text in flags["blkio_weight_device"]],
        device_read_bps=[values.rate(text, sized=True) for text in flags["device_read_bps"]],
        device_write_bps=[values.rate(text, sized=True) for text in flags["device_write_bps"]],
        device_read_iops=[values.rate(text, sized=False) for text in flags["device_read_iops"]],
        device_write_iops=[values.rate(text, sized=False) for text in flags["device_write_iops"]],
    )


def _check_quota(flags: dict[str, Any]) -> None:
    """--cpu-period and --cpu-quota: what --cpus says in one number."""
    period, quota = flags["cpu_period"], flags["cpu_quota"]
    for number, name in ((quota, "Quota"), (period, "Period")):
        if flags["cpus"] and number:
            raise values.fail(f"Conflicting options: Nano CPUs and CPU {name} cannot both be set")
    if period and not 1000 <= period <= 1_000_000:
        raise values.fail("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)")
    if quota and 0 < quota < 1000:
        raise values.fail("CPU cfs quota can not be less than 1ms (i.e. 1000)")


def _processors(text: str, kind: str) -> str:
    """A list like 0-2,4, if all of these are there (/sys/devices/system/{cpu,node}/online)."""
    if not text:
        return ""
    wanted = values.number_list(text)
    try:
        with open(f"/sys/devices/system/{kind}/online", encoding="ascii") as file:
            there = values.number_list(file.read().strip())
    except FileNotFoundError:
        there = {0}
    if not wanted <= there:
        what = "CPUs" if kind == "cpu" else "memory nodes"
        raise values.fail(f"Requested {what} are not available - requested {text}, available: {sorted(there)}")
    return text
