"""A state root on a file system of its own: small, nearly full, of another kind than the machine's."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.support.command import Minidock
from tests.support.machine import remove_default_network

# Options of mkfs.*(8): as small as each allows, which for ext4 are few inodes too.
_MKFS = {"btrfs": "-q -f", "ext4": "-q -F -N 2048", "xfs": "-q -f"}
_SIZES = {"btrfs": 160, "ext4": 96, "xfs": 300}  # MiB


def on_disk(engine: Minidock, directory: Path, script: str, kind: str = "tmpfs") -> subprocess.CompletedProcess[str]:
    """Run `script` in a mount namespace where $MINIDOCK_ROOT is a file system of `kind`, with the images, small.

    tmpfs has 20 MB for containers, others have what their smallest file system leaves. The loop device goes with the
    namespace, so with the last process that `script` leaves running: it had better leave none.
    """
    function = f'minidock() {{ {" ".join(engine.program)} "$@"; }}'
    command = ["unshare", "-m", "bash", "-c", f"{function}; {_prepare(kind)}; {script}"]
    done = subprocess.run([*command, directory, engine.root], env=engine.environment, capture_output=True, text=True,
                          check=False, timeout=100, stdin=subprocess.DEVNULL)  # fmt: skip
    remove_default_network(str(directory))
    return done


_ALPINE = 'MINIDOCK_ROOT="$1" minidock save -o "$0.tar" alpine'
_LOADED = 'minidock load -q -i "$0.tar" >/dev/null; rm "$0.tar"'


def _prepare(kind: str) -> str:
    copy = f'{_ALPINE}; export MINIDOCK_ROOT="$0"; {_LOADED}'  # one image, whatever other tests have left there
    if kind == "tmpfs":  # as large as the image, and 20 MB for the container
        return f'mount -t tmpfs small "$0"; {copy}; ' \
            'mount -o remount,size=$(($(du -sk "$0" | cut -f1) + 20480))k "$0"'  # fmt: skip
    if kind == "overlay":
        return 'mount -t tmpfs below "$0"; mkdir "$0"/{lower,upper,work,root}; ' \
            'mount -t overlay below -o lowerdir="$0"/lower,upperdir="$0"/upper,workdir="$0"/work "$0"/root; ' \
            f'{_ALPINE}; export MINIDOCK_ROOT="$0"/root; {_LOADED}'  # fmt: skip
    return f'truncate -s {_SIZES[kind]}M "$0.img"; mkfs.{kind} {_MKFS[kind]} "$0.img" >/dev/null; ' \
        f'mount -o loop "$0.img" "$0"; rm "$0.img"; {copy}'  # fmt: skip
