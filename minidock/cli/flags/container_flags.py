"""The flags of `run` and `create`, and what they mean: from words on a command line to `ContainerOptions`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from minidock.cli import usage
from minidock.cli.flags import health_flags, key_values, unsupported
from minidock.cli.flags.attach_flags import say, warn
from minidock.cli.flags.common import check_root, flag, list_option
from minidock.cli.flags.entity_names import CONTAINER, FILE, NETWORK
from minidock.cli.flags.isolation_flags import OPTIONS
from minidock.cli.flags.limit_flags import DEVICE_LIMITS, LIMITS
from minidock.engine.container.container_options import ContainerOptions, Mount
from minidock.engine.request import isolation, limits, mount_flags, network_flags, ports, values
from minidock.engine.state_paths import Paths

if TYPE_CHECKING:
    from minidock.image.stored_image import Image

_NETWORKING = [
    usage.option("--network", "--net", multiple=True, metavar="NETWORK", type=NETWORK,
                 help="A network's name, bridge, none, host, or container:NAME for another container's."),
    usage.option("--network-alias", "--net-alias", multiple=True, metavar="NAME", help="Another name on the network."),
    usage.option("--ip", metavar="ADDRESS", help="IPv4 address on the network."),
    usage.option("--ip6", metavar="ADDRESS", help="IPv6 address on the network."),
    usage.option("--mac-address", metavar="ADDRESS", help="Hardware address on the network."),
    list_option("--link", "Know another container by its name, or by an alias.", "CONTAINER[:ALIAS]", type=CONTAINER),
    list_option("--dns", "Name server to ask instead of the host's.", "ADDRESS"),
    list_option("--dns-search", "Domain in which short names are looked up; '.' for none.", "DOMAIN"),
    usage.option("--dns-option", "--dns-opt", multiple=True, metavar="OPTION", help="Option for resolv.conf."),
    unsupported.LINK_LOCAL,
    list_option("--add-host", "A line for /etc/hosts; the address host-gateway is the host's.", "NAME:ADDRESS"),
]  # fmt: skip

CONTAINER_OPTIONS = [
    flag("-i --interactive", "Pass standard input to the container [on a terminal: yes].", None),
    flag("-t --tty", "Give the container a terminal [on a terminal: yes].", None),
    flag("--rm", "Remove the container when it ends."),
    usage.option("--name", help="Name of the container."),
    usage.option("-h", "--hostname", help="Host name inside the container."),
    list_option("--env", "Set a variable, or pass on the caller's.", "NAME[=VALUE]", "-e"),
    list_option("--env-file", "Read variables from a file.", "FILE", type=FILE),
    usage.option("-w", "--workdir", help="Working directory inside the container."),
    usage.option("-u", "--user", metavar="USER[:GROUP]", help="Name or number, as the image knows it."),
    usage.option("--entrypoint", help="Replace the image's entry point."),
    list_option("--volume", "Show a directory of the host, or a volume, inside.", "[SRC:]DST[:ro]", "-v", type=FILE),
    list_option("--mount", "The same in so many words: type=bind|volume|tmpfs,source=...,target=...", "KEY=VALUE,..."),
    list_option("--volumes-from", "Use another container's volumes and binds.", "CONTAINER[:ro]", type=CONTAINER),
    usage.option("--volume-driver", default="", metavar="local", help="Driver of the volumes that -v names."),
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
    usage.option("--stop-signal", help="Signal that stops the container."),
    usage.option("--pull", default="missing", metavar="missing|always|never",
                 help="When to ask the registry for the image."),
    usage.option("--platform", default="", metavar="OS/ARCH[/VARIANT]", help="The image for this kind of machine."),
    usage.option("-q", "--quiet", is_flag=True, help="Do not tell how the image is fetched."),
    usage.option("--cidfile", metavar="FILE", help="Write the container's id to a file."),
    list_option("--attach", "Attach to this stream only [to stdout and stderr, and with -i stdin].", "STREAM", "-a"),
    usage.option("--restart", default="no", metavar="POLICY",
                 help="When to start it again: no, on-failure[:MAX], always, unless-stopped."),
    usage.option("--stop-timeout", type=int, metavar="SECONDS", help="How long `stop` waits before it kills [10]."),
    *health_flags.OPTIONS,
    usage.option("--log-driver", default="json-file", metavar="json-file|local|none", help="Where output is logged."),
    list_option("--log-opt", "Option of the log driver: max-size, max-file, compress, labels, env, tag.", "NAME=VALUE"),
    *LIMITS,
    *DEVICE_LIMITS,
    *OPTIONS,
    *unsupported.CONTAINER,
]  # fmt: skip


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
    networks = network_flags.from_flags(flags)
    entrypoint = flags["entrypoint"]
    publish = ports.publish(flags["publish"])
    ports.refuse_with(networks["network"], publish)
    volumes = [mount_flags.volume(text, flags["volume_driver"]) for text in flags["volume"]]
    return ContainerOptions(
        image=flags["image"],
        command=list(flags["command"]),
        entrypoint=None if entrypoint is None else [entrypoint] if entrypoint else [],
        name=flags["name"] or None,
        hostname=values.hostname(flags["hostname"] or ""),
        env=key_values.environment(flags["env"], flags["env_file"]),
        workdir=flags["workdir"],
        user=flags["user"],
        interactive=interactive,
        tty=tty,
        remove=flags["rm"],
        init=flags["init"],
        mounts=[*(v for v in volumes if isinstance(v, Mount)), *map(mount_flags.mount, flags["mount"])],
        volumes=[v for v in volumes if isinstance(v, str)],
        volumes_from=[mount_flags.volumes_from(text) for text in flags["volumes_from"]],
        tmpfs=dict(map(mount_flags.tmpfs, flags["tmpfs"])),
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
        labels=key_values.labels(flags["label"], flags["label_file"], "-l, --label"),
        isolation=isolation.parse(flags, warn),
        stop_signal=values.stop_signal(flags["stop_signal"]) if flags["stop_signal"] else None,
        pull=values.pull(flags["pull"]),
        cidfile=os.path.abspath(flags["cidfile"]) if flags["cidfile"] else None,
        cgroup_parent=flags["cgroup_parent"],
        attach=[] if detached else attach,
        stdin_once=interactive and not detached and "stdin" in attach,
        log_driver=log_driver,
        log_options=log_options,
        restart=restart,
        restart_retries=retries,
        stop_timeout=flags["stop_timeout"],
        health=health_flags.healthcheck(flags),
        limits=limits.parse(flags),
    )


def _terminal_defaults(interactive: bool | None, tty: bool | None) -> tuple[bool, bool]:
    """On a terminal, both; what was said on the command line always counts."""
    on_terminal = os.isatty(0) and os.isatty(1)
    if interactive is None and tty is None:
        return on_terminal, on_terminal
    if interactive is None:
        interactive = on_terminal and tty is False
    return interactive, bool(tty)


def find_image(paths: Paths, options: ContainerOptions, flags: dict[str, Any]) -> Image:
    """The image of the container to be, fetched if need be. Raises `MinidockError` if it cannot be had."""
    from minidock.engine.images import find_image
    from minidock.image.platform import mismatch

    check_root()
    tell = None if flags["quiet"] else say
    image = find_image.find_or_fetch(paths.root, options.image, options.pull, tell, flags["platform"])
    if not flags["platform"] and (line := mismatch(image.platform)):
        warn(line)
    return image
