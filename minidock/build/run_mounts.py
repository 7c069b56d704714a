"""RUN --mount, done: what each kind is to the engine (reference, "RUN --mount=type=...").

bind     the context, a stage or an image; writes, where rw allows any, go to an overlay that is thrown away
cache    a directory of the store that stays from build to build (`cache_mounts.py`)
tmpfs    memory
secret   a file in memory that nobody but this command sees; never part of a key, a layer or the history
ssh      the socket of an agent, given to the user that runs the command
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from minidock.build.reasons import Files
from minidock.build.stage import Stage
from minidock.errors import MinidockError, NotFoundError
from minidock.image.dockerfile.expand import Expansion

if TYPE_CHECKING:
    from minidock.build.builder import Builder
    from minidock.build.run_mount_flag import RunMount
    from minidock.build.tree import Entry, Tree
    from minidock.engine.container.container_options import Mount

SCRIPT = "/dev/pipes/script"
_SECRETS = "/run/secrets"
_AGENT = "/run/buildkit/ssh_agent"


def parse(texts: Sequence[str], expansion: Expansion) -> list[RunMount]:
    """All --mount of one RUN. Raises `DockerfileError`."""
    if not texts:
        return []
    from minidock.build import run_mount_flag

    return [run_mount_flag.parse(text, expansion) for text in texts]


class Mounted:
    """The mounts of one RUN. As a context manager it gives the engine's; what they need is there while it is open."""

    def __init__(self, builder: Builder, stage: Stage, asked: Sequence[RunMount], script: str) -> None:
        self.builder = builder
        self.stage = stage
        self.asked = asked
        self.script = script
        self.environment: dict[str, str] = {}
        self._open = ExitStack()
        self._digests: dict[str, str] = {}
        self._seen: list[tuple[Tree, Entry]] = []

    def digests(self) -> dict[str, str]:
        """What is bound, for the cache: of each file its digest."""
        found = self._digests
        for mount in self.asked:
            if mount.kind == "bind":
                tree, top = self._found(mount)
                for entry in tree.walk(top.path):
                    found[f"{mount.target}:{entry.path}"] = tree.digest(entry)
                    self._seen.append((tree, entry))
        return found

    def unsteady(self) -> list[str]:
        """What is bound and has changed since: the command may have seen either."""
        if not self._seen:
            return []
        from minidock.build.tree import version

        return [entry.path for tree, entry in self._seen if tree.version_of(entry.path) != version(entry.status)]

    def files(self) -> Files:
        """What is bound, as users call it."""
        names = {f"{mount.target}:": mount.origin for mount in self.asked if mount.kind == "bind"}

        def called(place: str) -> str:
            target, _, path = place.partition(":")
            origin = names.get(f"{target}:")
            return f"{origin}:/{path}" if origin else path

        return Files(lambda: {place: called(place) for place in self._digests}, lambda place: None)

    def __enter__(self) -> list[Mount]:
        makers = {
            "bind": self._bind,
            "cache": self._cache,
            "tmpfs": self._tmpfs,
            "secret": self._secret,
            "ssh": self._ssh,
        }
        found = [made for mount in self.asked for made in makers[mount.kind](mount)]
        if self.script:
            path = self._file("script", self.script.encode(errors="surrogateescape"), 0o755)
            found.append(_bound(path, SCRIPT, read_only=True))
        return found

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def _target(self, mount: RunMount, default: str = "") -> str:
        path = mount.target or default
        if not path:
            raise MinidockError(f"--mount=type={mount.kind} needs a target")
        return posixpath.normpath(posixpath.join(self.stage.workdir, path))

    def _place(self, name: str) -> str:
        path = os.path.join(self.builder.ingest.workspace.path, f"{name}-{os.urandom(4).hex()}")
        os.mkdir(path, 0o755)
        return path

    def _file(self, name: str, content: bytes, mode: int, uid: int = 0, gid: int = 0) -> str:
        """A file in memory: nothing of it ever comes to the disk."""
        from minidock.linux import syscalls

        place = self._place(name)
        syscalls.mount("tmpfs", place, "tmpfs", syscalls.MS_NOSUID | syscalls.MS_NODEV, "mode=0700,size=4m")
        self._open.callback(syscalls.umount2, place, syscalls.MNT_DETACH)
        path = os.path.join(place, "content")
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            view = memoryview(content)
            while view:
                view = view[os.write(fd, view) :]
            os.fchown(fd, uid, gid)
            os.fchmod(fd, mode)
        finally:
            os.close(fd)
        return path

    def _bind(self, mount: RunMount) -> list[Mount]:
        """The file or directory itself where it is read-only; with rw, a directory with a writable layer above it."""
        tree, top = self._found(mount)
        source = os.readlink(f"/proc/self/fd/{tree.root}")
        source = os.path.join(source, top.path) if top.path else source
        if not mount.read_only and top.is_directory:
            from minidock.linux import overlay, syscalls

            upper, work, place = self._place("upper"), self._place("work"), self._place("writable")
            overlay.mount([source], upper, work, place)
            self._open.callback(syscalls.umount2, place, syscalls.MNT_DETACH)
            source = place
        return [_bound(source, self._target(mount), read_only=mount.read_only)]

    def _cache(self, mount: RunMount) -> list[Mount]:
        from minidock.build import cache_mounts

        target = self._target(mount)
        name = f"{self.builder.asked.surroundings.cache_namespace}/{mount.identity or target}".removeprefix("/")
        taken = cache_mounts.take(self.builder.root, mount, name, partial(self._fill, mount))
        self._open.callback(os.close, taken.lock)
        return [_bound(taken.content, target, read_only=mount.read_only)]

    def _fill(self, mount: RunMount, directory: str) -> None:
        """What a new cache begins with: with `from`, the files there."""
        if not mount.origin:
            return
        from minidock.image import tar_into, tar_out

        tree, top = self._found(mount)
        root = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            pieces = tar_out.pack(tree.root, os.fsencode(top.path), b"")
            tar_into.place(pieces, root, b".", tar_into.Owner(None, None))
        finally:
            os.close(root)

    def _found(self, mount: RunMount) -> tuple[Tree, Entry]:
        tree = self.builder.sources.tree(mount.origin)
        top = tree.find(mount.source or "/")
        if top is None:
            raise NotFoundError(f'"{mount.source}": not found in {tree.name}')
        return tree, top

    def _tmpfs(self, mount: RunMount) -> list[Mount]:
        return [_bound("", self._target(mount), read_only=False, kind="tmpfs", size=mount.size)]

    def _secret(self, mount: RunMount) -> list[Mount]:
        identity = mount.identity or mount.source or posixpath.basename(mount.target)
        content = self.builder.asked.secrets.get(identity)
        if content is None:
            if mount.required:
                raise NotFoundError(f"secret {identity}: not found")
            return []
        if mount.env is not None:
            self.environment[mount.env or identity] = content.decode(errors="surrogateescape")
            if not mount.target:
                return []
        path = self._file(
            "secret", content, 0o400 if mount.mode < 0 else mount.mode, max(mount.uid, 0), max(mount.gid, 0)
        )
        return [_bound(path, self._target(mount, f"{_SECRETS}/{identity}"), read_only=True)]

    def _ssh(self, mount: RunMount) -> list[Mount]:
        socket = self.builder.asked.ssh.get(mount.identity or "default")
        if socket is None:
            if mount.required:
                raise NotFoundError(f"ssh agent {mount.identity or 'default'}: not found")
            return []
        target = self._target(mount, f"{_AGENT}.0")
        self.environment["SSH_AUTH_SOCK"] = target
        return [_bound(socket, target, read_only=False)]


def _bound(source: str, target: str, *, read_only: bool, kind: str = "bind", size: int = 0) -> Mount:
    from minidock.engine.container.container_options import Mount

    values: dict[str, Any] = dict.fromkeys(Mount._fields, "")
    values |= {
        "kind": kind, "source": source, "target": target, "read_only": read_only, "create": False, "copy": False,
        "labels": {}, "driver_options": {}, "size": size, "permissions": 0,
    }  # fmt: skip
    return Mount(**values)
