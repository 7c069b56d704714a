"""The tree that becomes a container's "/": layers, mounts, devices, and masks over parts of it (book, chapter 1, 3.5).

All but `mask_paths` happens before pivot_root, while the new root is an ordinary directory and the host's files are
still visible. Images are not trusted: a symbolic link in one may point anywhere. So every path is looked up as if the
new root were "/" already (openat2(2), RESOLVE_IN_ROOT) and used through its descriptor, never as text. Sources: OCI
config-linux.md; runc, libcontainer/rootfs_linux.go.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from minidock.errors import SetupError
from minidock.linux import cgroups, idmapped, mount_options, mountinfo, mounts, openat2, overlay, rootless, syscalls
from minidock.observe import step
from minidock.runtime import device_access
from minidock.runtime.oci_spec import Spec

# The nodes that every container has (config-linux.md, "Default Devices"), with their numbers (null(4), random(4)).
DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}
DEVICE_LINKS = {"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1",
                "stderr": "/proc/self/fd/2", "ptmx": "pts/ptmx"}  # fmt: skip
DEVICE_TYPES = {"c": stat.S_IFCHR, "u": stat.S_IFCHR, "b": stat.S_IFBLK, "p": stat.S_IFIFO}

# Files of /proc that may be bound over, as lxcfs does to show a container its own limits (runc's list).
REPLACEABLE = {f"/proc/{name}" for name in ("cpuinfo", "diskstats", "loadavg", "meminfo", "net/dev", "slabinfo", "stat",
                                            "swaps", "sys/kernel/ns_last_pid", "uptime")}  # fmt: skip


@contextmanager
def opened(spec: Spec) -> Iterator[int]:
    """A descriptor of the new root, from which all paths are looked up."""
    root = os.open(spec.rootfs, syscalls.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield root
    finally:
        os.close(root)


def mount_root(spec: Spec, tree: int | None = None) -> None:
    """Mount the bundle's "/" (an overlay of layers), or take the root directory as it is.

    pivot_root needs a mount point, so a plain directory is bound over itself. `tree`: the overlay, mounted by the
    creator already (`clone_binds`).
    """
    if tree is not None:
        place = os.open(spec.rootfs, syscalls.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        syscalls.move_mount(tree, place)
        os.close(place)
    elif has_layers(spec):
        mount_layers(spec)
    else:
        syscalls.mount(spec.rootfs, spec.rootfs, None, syscalls.MS_BIND | syscalls.MS_REC)
    if spec.nodev:
        with opened(spec) as root:
            syscalls.mount_setattr(root, syscalls.MOUNT_ATTR_NODEV)


def has_layers(spec: Spec) -> bool:
    """Whether the bundle's first mount is an overlay on "/"."""
    first = spec.mounts[0] if spec.mounts else {}
    return first.get("destination") == "/" and first.get("type") == "overlay"


def mount_layers(spec: Spec) -> str:
    """Mount the overlay of the bundle's layers on its root directory, whose path is returned."""
    words = spec.mounts[0]["options"]
    options = dict(word.partition("=")[::2] for word in words if word != "idmap")
    lower = overlay.split_paths(options.pop("lowerdir"))
    (upper,), (work,) = (overlay.split_paths(options.pop(name)) for name in ("upperdir", "workdir"))
    if "idmap" in words:
        from minidock.runtime import mapped_layers

        lower = mapped_layers.mount_on(spec.rootfs, lower, spec.linux)
    extra = ",".join(f"{key}={value}" if value else key for key, value in options.items())
    overlay.mount(lower, upper, work, spec.rootfs, extra=extra)
    return spec.rootfs


def clone_shared_mounts(spec: Spec) -> dict[int, int]:
    """Detached copies of the sources whose mounts are to propagate to the host and back, by the mount's index in the
    bundle.

    Once all mounts of the namespace are slaves, a new bind of the source would be one too. A copy that was made before
    stays a peer of the host's mount (mount_namespaces(7), "Shared subtrees").
    """
    found = {}
    for number, mount in enumerate(spec.mounts):
        options = mount.get("options") or []
        if mounts.is_shared(options) and (mount.get("type") == "bind" or "bind" in options or "rbind" in options):
            found[number] = mounts.clone_tree(mount.get("source") or "", options)
    return found


def clone_binds(spec: Spec) -> dict[int, int]:
    """Descriptors of the mounts that the creator has to open, as no process in the container's user namespace may: the
    overlay, binds with mapped ids, and with such a namespace all other binds; by their index in the bundle. Without
    maps of their own, they have the container's.
    """
    found, spaces = {}, idmapped.UserNamespaces()
    try:
        if spec.is_new("user") and has_layers(spec):
            from minidock.linux import mount_trees

            with step("Mount the layers for the user namespace", book="3.5.5"):
                found[0] = mount_trees.of_mounts(lambda: mount_layers(spec))
        for number, mount in enumerate(spec.mounts):
            options = mount.get("options") or []
            words = {"idmap", "ridmap"} & set(options) if mount.get("type") != "overlay" else set()
            if not words and spec.is_new("user") and {"bind", "rbind"} & set(options):
                # Root inside may have no right to search the source's directories, and does not need it.
                found[number] = mounts.clone_tree(mount.get("source") or "", options)
            if words:
                with step("Map the ids of mounts", book="3.1"):
                    found[number] = clone_mapped(spec, mount, spaces)
    finally:
        spaces.close()
    return found


def clone_mapped(spec: Spec, mount: dict[str, Any], spaces: idmapped.UserNamespaces) -> int:
    """A detached copy of the source of a bind with idmap or ridmap, with its ids mapped."""
    from minidock.linux import id_maps  # here, as most containers have no such bind

    tree = mounts.clone_tree(mount.get("source") or "", mount["options"])
    maps = id_maps.from_oci(mount if mount.get("uidMappings") else spec.linux)
    try:
        idmapped.apply(tree, spaces.get(*maps), recursive="ridmap" in mount["options"])
    except BaseException:
        os.close(tree)
        raise
    return tree


def mount_all(spec: Spec, root: int, trees: dict[int, int]) -> None:
    """Make the bundle's mounts in its order: a later one may lie inside an earlier one. `trees`: from
    `clone_shared_mounts`.
    """
    for number, mount in enumerate(spec.mounts):
        destination, kind = mount["destination"], mount.get("type") or "bind"
        if destination != "/":
            source, options = mount.get("source") or "none", mount.get("options") or []
            if kind in ("cgroup", "cgroup2"):
                source, kind, options = _cgroup_mount(spec, source, options)
            if device_access.is_own_dev(mount):  # it becomes read-only later, when all that belongs into it is there
                options = [word for word in options if word != "ro"]
            shows = "proc" if _is_bound_proc(source, destination, options) else kind
            mounts.mount_in(
                root, destination, source, kind, options,
                tree=trees.get(number), nodev=spec.nodev and not device_access.is_own_dev(mount),
                check=lambda place, kind=shows, wanted=destination: _check_place(place, kind, wanted),  # type: ignore[misc]
            )  # fmt: skip


def _cgroup_mount(spec: Spec, source: str, options: list[str]) -> tuple[str, str, list[str]]:
    """(source, type, options) of a mount of cgroups, whatever version the bundle means: they are of version 2.

    Root of a user namespace may mount them only in a cgroup namespace of his; else the container's own is bound.
    """
    if spec.is_new("user") and not spec.is_new("cgroup"):
        flags = [word for word in options if word in mount_options.FLAG_OPTIONS]
        return cgroups.of_process(os.getpid()).path, "bind", ["bind", *flags]
    return source, "cgroup2", options


def _is_bound_proc(source: str, destination: str, options: list[str]) -> bool:
    """Whether the host's /proc is bound on the container's: it is without a process namespace of its own."""
    is_bind = bool({"bind", "rbind"} & set(options))
    return is_bind and os.path.normpath(destination) == "/proc" and mountinfo.filesystem_of(source) == "proc"


def _check_place(place: str, kind: str, wanted: str) -> None:
    """Refuse mounts that would hide files of the kernel which later steps need. Raises `SetupError`.

    Later steps would write the container's protections to files of an image that lie in the place of /proc
    (CVE-2019-16884, CVE-2019-19921). `place` is `wanted` with all symbolic links followed.
    """
    if kind in ("proc", "sysfs"):
        if place != os.path.normpath(wanted):
            raise SetupError(f"{wanted} in the image is a symbolic link: {kind} needs a directory of its own there")
    elif (place == "/proc" or place.startswith("/proc/")) and place not in REPLACEABLE:
        raise SetupError(f"{wanted} cannot be mounted because it is inside /proc, which belongs to the kernel")


def make_devices(spec: Spec, root: int) -> None:
    """Create the nodes in the new /dev. A /dev that is a bind mount, or the image's own, stays as it is."""
    if not any(mount["destination"].rstrip("/") == "/dev" for mount in spec.mounts) or spec.binds("/dev"):
        return
    devices: dict[str, dict[str, Any]] = {
        f"/dev/{name}": {"type": "c", "major": major, "minor": minor} for name, (major, minor) in DEVICES.items()
    }
    devices |= {device["path"]: device for device in spec.linux.get("devices") or []}
    umask = syscalls.umask(0)
    for path, device in devices.items():
        directory = openat2.make_in(root, os.path.dirname(path), directory=True)
        _make_device(directory, path, device, by_mknod=_may_make_nodes(spec))
        os.close(directory)
    dev = openat2.open_in(root, "/dev")
    for name, target in DEVICE_LINKS.items():
        with suppress(FileExistsError):
            syscalls.symlink(target, name, dir_fd=dev)
    os.close(dev)
    syscalls.umask(umask)


def _may_make_nodes(spec: Spec) -> bool:
    return not (spec.is_new("user") or rootless.is_on())


def _make_device(directory: int, path: str, device: dict[str, Any], *, by_mknod: bool) -> None:
    """Create one node by mknod, or bind the host's where a user namespace forbids mknod.

    A file that a mount has put in its place stays, as with runc.
    """
    name = os.path.basename(path)
    if by_mknod:
        mode = DEVICE_TYPES[device["type"]] | device.get("fileMode", 0o666)
        try:
            syscalls.mknod(name, mode, os.makedev(device.get("major", 0), device.get("minor", 0)), dir_fd=directory)
        except FileExistsError:
            return
        if device.get("uid") or device.get("gid"):
            # The directory may be in a volume, where another process may put a link to a file of the host in between.
            owner = device.get("uid", 0), device.get("gid", 0)
            syscalls.chown(name, *owner, dir_fd=directory, follow_symlinks=False)
    else:
        mounts.mount_in(directory, name, path, "bind", ["bind"], check=lambda _: None)


def make_working_directory(spec: Spec, root: int) -> None:
    """Create a working directory that the image lacks, as docker does, before the root may become read-only."""
    cwd = spec.process["cwd"]
    try:
        os.close(openat2.make_in(root, cwd, directory=True))
    except OSError as error:
        why = "it leads outside of the container" if error.errno == errno.EXDEV else os.strerror(error.errno or 0)
        raise SetupError(f"the working directory {cwd} cannot be made: {why}") from error


def set_propagation(spec: Spec) -> None:
    """Set the root's propagation. It comes last, as pivot_root refuses a shared root."""
    wanted = spec.linux.get("rootfsPropagation") or "private"
    if wanted not in ("private", "rprivate"):
        mounts.set_propagation("/", mount_options.PROPAGATION_OPTIONS[wanted])


def make_mask(spec: Spec) -> mounts.Mask | None:
    """The null device that `mask_paths` hides files with, opened while the host's files are visible; None if not
    needed.

    It is a node of our own, on a tmpfs over /dev of the host in this namespace, which no later step needs. Where a user
    namespace forbids mknod, it is the host's.
    """
    if not spec.linux.get("maskedPaths"):
        return None
    if _may_make_nodes(spec):
        syscalls.mount("tmpfs", "/dev", "tmpfs", syscalls.MS_NOSUID | syscalls.MS_NOEXEC, "size=4k")
        syscalls.mknod("/dev/null", stat.S_IFCHR | 0o666, os.makedev(*DEVICES["null"]))
        syscalls.chmod("/dev/null", 0o666)
    return mounts.Mask(mounts.clone_tree("/dev/null", ["bind"]))


def mask_paths(spec: Spec, mask: mounts.Mask | None) -> None:
    """Hide files that reveal details of the host, and make files read-only that would change it for all.

    A file that does not exist needs no protection. If anything else fails, the container does not start.
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
        # Only this mount becomes read-only: the file system, the overlay, stays writable.
        mounts.remount_bind("/", syscalls.MS_RDONLY)
    for mount in spec.mounts:
        if device_access.is_own_dev(mount) and "ro" in (mount.get("options") or []):
            mounts.remount_bind(mount["destination"], syscalls.MS_RDONLY)
