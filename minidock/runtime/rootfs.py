"""The tree that becomes a container's "/": its layers, its mounts, its devices, and what is hidden of it (book 3.5).

All but `mask_paths` happens before pivot_root, while the new root is a directory like any other and the host's files
are still in sight. Images are not to be trusted: a symbolic link in one may point anywhere. So every place is looked up
as if the new root were "/" already (openat2(2), RESOLVE_IN_ROOT) and used through its descriptor, never by a path that
is put together from text. Sources: OCI config-linux.md; runc, libcontainer/rootfs_linux.go.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from minidock.errors import SetupError
from minidock.linux import mount_options, mounts, overlay, paths, syscalls
from minidock.runtime import device_access
from minidock.runtime.oci_spec import Spec

# The nodes that every container has (config-linux.md, "Default Devices"), with their numbers (null(4), random(4)).
DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}
DEVICE_LINKS = {"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1",
                "stderr": "/proc/self/fd/2", "ptmx": "pts/ptmx"}  # fmt: skip
DEVICE_TYPES = {"c": stat.S_IFCHR, "u": stat.S_IFCHR, "b": stat.S_IFBLK, "p": stat.S_IFIFO}

# Files of /proc that something else may be bound over, as lxcfs does to show a container its own limits (runc's list).
REPLACEABLE = {f"/proc/{name}" for name in ("cpuinfo", "diskstats", "loadavg", "meminfo", "net/dev", "slabinfo", "stat",
                                            "swaps", "sys/kernel/ns_last_pid", "uptime")}  # fmt: skip


@contextmanager
def opened(spec: Spec) -> Iterator[int]:
    """A descriptor of the new root, which all lookups start from."""
    root = os.open(spec.rootfs, syscalls.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield root
    finally:
        os.close(root)


def mount_root(spec: Spec) -> None:
    """Mount what the bundle says is "/" (an overlay of layers), or take the root directory as it is.

    pivot_root needs a mount point, so a plain directory is bound over itself.
    """
    first = spec.mounts[0] if spec.mounts else {}
    if first.get("destination") == "/" and first.get("type") == "overlay":
        options = dict(option.partition("=")[::2] for option in first["options"])
        lower = overlay.split_paths(options.pop("lowerdir"))
        (upper,), (work,) = (overlay.split_paths(options.pop(name)) for name in ("upperdir", "workdir"))
        extra = ",".join(f"{key}={value}" if value else key for key, value in options.items())
        overlay.mount(lower, upper, work, spec.rootfs, extra=extra)
    else:
        syscalls.mount(spec.rootfs, spec.rootfs, None, syscalls.MS_BIND | syscalls.MS_REC)
    if spec.nodev:
        with opened(spec) as root:
            syscalls.mount_setattr(root, syscalls.MOUNT_ATTR_NODEV)


def clone_shared_mounts(spec: Spec) -> dict[int, int]:
    """Hold of the sources whose mounts are to propagate to the host and back, by their mount's place in the bundle.

    Once the whole namespace is made a slave, a new bind of the source would be one too. A copy that is made before
    stays a peer of the host's mount (mount_namespaces(7), "Shared subtrees").
    """
    found = {}
    for number, mount in enumerate(spec.mounts):
        options = mount.get("options") or []
        if mounts.is_shared(options) and (mount.get("type") == "bind" or "bind" in options or "rbind" in options):
            found[number] = mounts.clone_tree(mount.get("source") or "", options)
    return found


def mount_all(spec: Spec, root: int, trees: dict[int, int]) -> None:
    """The bundle's mounts, in its order: a later one may lie inside an earlier one. `trees`: from
    `clone_shared_mounts`.
    """
    for number, mount in enumerate(spec.mounts):
        destination, kind = mount["destination"], mount.get("type") or "bind"
        if destination != "/":
            kind = "cgroup2" if kind == "cgroup" else kind
            mounts.mount_in(
                root, destination, mount.get("source") or "none", kind, mount.get("options") or [],
                tree=trees.get(number), nodev=spec.nodev and not device_access.is_own_dev(mount),
                check=lambda place, kind=kind, wanted=destination: _check_place(place, kind, wanted),  # type: ignore[misc]
            )  # fmt: skip


def _check_place(place: str, kind: str, wanted: str) -> None:
    """Refuse mounts that would take the kernel's own files away from where the steps to come look for them.

    What an image puts in the place of /proc would be told, instead of the kernel, how to protect the container
    (CVE-2019-16884, CVE-2019-19921). `place` is where `wanted` leads, with all symbolic links followed.
    """
    if kind in ("proc", "sysfs"):
        if place != os.path.normpath(wanted):
            raise SetupError(f"{wanted} in the image is a symbolic link: {kind} needs a directory of its own there")
    elif (place == "/proc" or place.startswith("/proc/")) and place not in REPLACEABLE:
        raise SetupError(f"{wanted} cannot be mounted because it is inside /proc, which belongs to the kernel")


def make_devices(spec: Spec, root: int) -> None:
    """Fill the new /dev. One that is bound from elsewhere, or is the image's own, stays as it is."""
    if not any(mount["destination"].rstrip("/") == "/dev" for mount in spec.mounts) or spec.binds("/dev"):
        return
    devices: dict[str, dict[str, Any]] = {
        f"/dev/{name}": {"type": "c", "major": major, "minor": minor} for name, (major, minor) in DEVICES.items()
    }
    devices |= {device["path"]: device for device in spec.linux.get("devices") or []}
    umask = syscalls.umask(0)
    for path, device in devices.items():
        directory = paths.make_in(root, os.path.dirname(path), directory=True)
        _make_device(directory, path, device, by_mknod=not spec.is_new("user"))
        os.close(directory)
    dev = paths.open_in(root, "/dev")
    for name, target in DEVICE_LINKS.items():
        with suppress(FileExistsError):
            syscalls.symlink(target, name, dir_fd=dev)
    os.close(dev)
    syscalls.umask(umask)


def _make_device(directory: int, path: str, device: dict[str, Any], *, by_mknod: bool) -> None:
    """One node, made by mknod, or by binding the host's where a user namespace forbids mknod.

    What a mount has put in its place stays there, as with runc.
    """
    name = os.path.basename(path)
    if by_mknod:
        mode = DEVICE_TYPES[device["type"]] | device.get("fileMode", 0o666)
        try:
            syscalls.mknod(name, mode, os.makedev(device.get("major", 0), device.get("minor", 0)), dir_fd=directory)
        except FileExistsError:
            return
        if device.get("uid") or device.get("gid"):
            # The place may be in a volume, where somebody puts a link to a file of the host's into it meanwhile.
            owner = device.get("uid", 0), device.get("gid", 0)
            syscalls.chown(name, *owner, dir_fd=directory, follow_symlinks=False)
    else:
        mounts.mount_in(directory, name, path, "bind", ["bind"], check=lambda _: None)


def make_working_directory(spec: Spec, root: int) -> None:
    """Make a working directory that the image lacks, as docker does, before the root may become read-only."""
    cwd = spec.process["cwd"]
    try:
        os.close(paths.make_in(root, cwd, directory=True))
    except OSError as error:
        why = "it leads outside of the container" if error.errno == errno.EXDEV else os.strerror(error.errno or 0)
        raise SetupError(f"the working directory {cwd} cannot be made: {why}") from error


def set_propagation(spec: Spec) -> None:
    """The root's own propagation, if it is to have any; only now, as pivot_root refuses a root that is shared."""
    wanted = spec.linux.get("rootfsPropagation") or "private"
    if wanted not in ("private", "rprivate"):
        mounts.set_propagation("/", mount_options.PROPAGATION_OPTIONS[wanted])


def make_mask(spec: Spec) -> mounts.Mask | None:
    """What `mask_paths` hides files with, had while the host's files are still in sight; None if nothing is to be
    hidden.

    A null device of our own, on the host's /dev in our copy of it, which nothing needs any more. Where a user
    namespace forbids to make one, the host's.
    """
    if not spec.linux.get("maskedPaths"):
        return None
    if not spec.is_new("user"):
        syscalls.mount("tmpfs", "/dev", "tmpfs", syscalls.MS_NOSUID | syscalls.MS_NOEXEC, "size=4k")
        syscalls.mknod("/dev/null", stat.S_IFCHR | 0o666, os.makedev(*DEVICES["null"]))
        syscalls.chmod("/dev/null", 0o666)
    return mounts.Mask(mounts.clone_tree("/dev/null", ["bind"]))


def mask_paths(spec: Spec, mask: mounts.Mask | None) -> None:
    """Hide what tells too much of the host, and make read-only what would change it for everybody.

    Only what is not there needs no protection: if anything else fails, the container does not start.
    """
    root = os.open("/", syscalls.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    for path in spec.linux.get("readonlyPaths") or []:
        mounts.make_read_only(root, path)
    for path in spec.linux.get("maskedPaths") or []:
        assert mask is not None
        mask.cover(root, path)
    if mask:
        os.close(mask.tree)
    os.close(root)
    if spec.config["root"].get("readonly"):
        # By binding: the file system itself is the overlay, writable, and only this mount of it is not.
        mounts.remount_bind("/", syscalls.MS_RDONLY)
