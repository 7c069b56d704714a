"""The flags that say how far a container is apart from the host: namespaces, devices, rights, shared memory."""

from __future__ import annotations

from minidock.cli import usage
from minidock.cli.flags.common import content_trust
from minidock.cli.flags.size import Size

OPTIONS = [
    usage.option("--pid", default="", metavar="host|container:NAME", help="Process ids shared with whom."),
    usage.option("--ipc", default="", metavar="private|shareable|host|none|container:NAME",
                 help="Shared memory and semaphores shared with whom."),
    usage.option("--uts", default="", metavar="host", help="Host name shared with whom."),
    usage.option("--userns", default="", metavar="host|remap|auto|keep-id|nomap",
                 help="Users of its own, and which ids they are outside [host]."),
    usage.option("--cgroupns", default="", metavar="host|private", help="What it sees of control groups."),
    usage.option("--shm-size", type=Size(), help="Size of /dev/shm [64m]."),
    usage.option("--domainname", default="", help="NIS domain name inside the container."),
    usage.option("--group-add", multiple=True, metavar="GROUP", help="Add a group."),
    usage.option("--device", multiple=True, metavar="PATH[:PATH][:rwm]",
                 help="Give it a device of the host, or one that a CDI file names: vendor.com/class=name."),
    usage.option("--device-cgroup-rule", multiple=True, metavar="'c|b|a MAJOR:MINOR rwm'",
                 help="Allow the use of devices."),
    usage.option("--security-opt", multiple=True, metavar="NAME[=VALUE]",
                 help="seccomp=unconfined|FILE, apparmor=PROFILE, no-new-privileges[=false], systempaths=unconfined, "
                 "writable-cgroups=true, mask=PATH:..., unmask=ALL|PATH:..."),
    usage.option("--oom-score-adj", type=int, help="Adjust the out-of-memory score, -1000 to 1000."),
    usage.option("--oom-kill-disable", is_flag=True, help="Without effect: cgroup v2 has nothing of the kind."),
    usage.option("--memory-swappiness", type=int, help="Without effect: cgroup v2 has nothing of the kind."),
    usage.option("--isolation", default="", metavar="default", help="There is only default."),
    usage.option("--runtime", default="", metavar="PATH", help="Another OCI runtime than minidock itself."),
    usage.option("--storage-opt", multiple=True, hidden=True),
    usage.option("--gpus", metavar="all|N|device=N,...", help="Give it graphics cards, by the host's CDI files."),
    usage.option("--kernel-memory", type=Size(), hidden=True),
    content_trust(exit_code=125),
    usage.option("--annotation", multiple=True, metavar="KEY=VALUE", help="Annotate the OCI specification."),
]  # fmt: skip
