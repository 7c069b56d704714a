"""The flags that say how far a container is apart from the host: namespaces, devices, rights, shared memory."""

from __future__ import annotations

import click

from minidock.cli.flags.common import content_trust
from minidock.cli.flags.size import Size

OPTIONS = [
    click.option("--pid", default="", metavar="host|container:NAME", help="Process ids shared with whom."),
    click.option("--ipc", default="", metavar="private|shareable|host|none|container:NAME",
                 help="Shared memory and semaphores shared with whom."),
    click.option("--uts", default="", metavar="host", help="Host name shared with whom."),
    click.option("--userns", default="", metavar="host|remap|auto|keep-id|nomap",
                 help="Users of its own, and which ids they are outside [host]."),
    click.option("--cgroupns", default="", metavar="host|private", help="What it sees of control groups."),
    click.option("--shm-size", type=Size(), help="Size of /dev/shm [64m]."),
    click.option("--domainname", default="", help="NIS domain name inside the container."),
    click.option("--group-add", multiple=True, metavar="GROUP", help="Add a group."),
    click.option("--device", multiple=True, metavar="PATH[:PATH][:rwm]", help="Give it a device of the host."),
    click.option("--device-cgroup-rule", multiple=True, metavar="'c|b|a MAJOR:MINOR rwm'",
                 help="Allow the use of devices."),
    click.option("--security-opt", multiple=True, metavar="NAME[=VALUE]",
                 help="seccomp=unconfined|FILE, no-new-privileges, systempaths=unconfined."),
    click.option("--oom-score-adj", type=int, help="Adjust the out-of-memory score, -1000 to 1000."),
    click.option("--oom-kill-disable", is_flag=True, help="Without effect: cgroup v2 has nothing of the kind."),
    click.option("--memory-swappiness", type=int, help="Without effect: cgroup v2 has nothing of the kind."),
    click.option("--isolation", default="", metavar="default", help="There is only default."),
    click.option("--runtime", default="", metavar="minidock", help="There is only minidock."),
    click.option("--storage-opt", multiple=True, hidden=True),
    click.option("--gpus", hidden=True),
    click.option("--kernel-memory", type=Size(), hidden=True),
    content_trust(exit_code=125),
    click.option("--annotation", multiple=True, metavar="KEY=VALUE", help="Annotate the OCI specification."),
]  # fmt: skip
