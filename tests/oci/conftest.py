"""`minidock-oci` as engines call it: a program, with a state directory of its own and a bundle of a static busybox."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

APPLETS = "cat echo false grep hostname id kill ls mount mv nproc readlink sh sleep stat touch true tty uname"
Config = dict[str, Any]
Done = subprocess.CompletedProcess[str]


@dataclass
class Oci:
    """The program, its --root and the bundle that its containers are made of."""

    root: Path
    bundle: Path

    @property
    def program(self) -> list[str]:
        installed = Path(sys.executable).with_name("minidock-oci")
        return [str(installed)] if installed.exists() else [sys.executable, "-m", "minidock", "oci"]

    def __call__(
        self,
        *words: str,
        input: str = "",
        env: Mapping[str, str] | None = None,
        third: int | None = None,
        before: tuple[str, ...] = (),
    ) -> Done:
        """Run a command to its end, its output in files: nobody has to wait for a container that keeps it open.

        `third`: what its descriptor 3 is.
        """
        prefix = [] if third is None else ["bash", "-c", f'exec "$@" 3>&{third}', "bash"]
        out, err = self.root.parent / "out", self.root.parent / "err"
        with out.open("w+") as stdout, err.open("w+") as stderr:
            done = subprocess.run(
                [*prefix, *self.program, "--root", str(self.root), *before, *words],
                input=input,
                stdout=stdout,
                stderr=stderr,
                text=True,
                timeout=120,
                check=False,
                env={**os.environ, **(env or {})},
                pass_fds=() if third is None else (third,),
            )
        return subprocess.CompletedProcess(done.args, done.returncode, out.read_text(), err.read_text())

    def ok(self, *words: str, **options: Any) -> str:
        """The same, of a command that has to succeed: what it writes."""
        done = self(*words, **options)
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return done.stdout

    def configure(self, *script: str, **changes: Any) -> Config:
        """Write the bundle's config.json: a program, and changes of `process` (process=) and `linux` (linux=)."""
        config = example(list(script) or ["true"])
        for key, value in changes.items():
            config[key] = {**config.get(key, {}), **value} if isinstance(value, dict) else value
        self.write(config)
        return config

    def write(self, config: Config) -> None:
        (self.bundle / "config.json").write_text(json.dumps(config))

    def _name_cgroup(self, name: str) -> None:
        """A cgroup that no other test has: hierarchies of version 1 are the machine's."""
        path = self.bundle / "config.json"
        with suppress(FileNotFoundError, ValueError, AttributeError, TypeError, KeyError):
            config = json.loads(path.read_text())
            if not config["linux"].get("cgroupsPath", "").strip("/") or "/oci-test-" in config["linux"]["cgroupsPath"]:
                config["linux"]["cgroupsPath"] = f"/oci-test-{os.getpid()}-{name}"
                self.write(config)

    def create(self, name: str, *words: str, **options: Any) -> Done:
        self._name_cgroup(name)
        return self("create", "--bundle", str(self.bundle), *words, name, **options)

    def run(self, name: str = "one", *words: str, **options: Any) -> Done:
        self._name_cgroup(name)
        return self("run", "--bundle", str(self.bundle), *words, name, **options)

    def state(self, name: str) -> dict[str, Any]:
        known: dict[str, Any] = json.loads(self.ok("state", name))
        return known

    def delete_all(self) -> None:
        for path in self.root.iterdir() if self.root.exists() else []:
            self("delete", "--force", path.name)


def example(args: list[str]) -> Config:
    """A container in all namespaces but those of users and time."""
    kinds = ("mount", "pid", "network", "uts", "ipc", "cgroup")
    return {
        "ociVersion": "1.2.0",
        "root": {"path": "rootfs"},
        "hostname": "bundle",
        "process": {"args": args, "cwd": "/", "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0}},
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
            {
                "destination": "/dev/pts",
                "type": "devpts",
                "source": "devpts",
                "options": ["newinstance", "ptmxmode=0666"],
            },
            {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro"]},
        ],
        "linux": {"namespaces": [{"type": kind} for kind in kinds]},
    }


@pytest.fixture(scope="session")
def busybox(basetemp: Path) -> Path:
    """A root file system; every directory above it can be entered by all."""
    root = basetemp / "oci-rootfs"
    for directory in (basetemp, *basetemp.parents):
        if not directory.stat().st_mode & stat.S_IXOTH:
            directory.chmod(0o755)
    (root / "bin").mkdir(parents=True)
    for directory in ("proc", "dev", "sys", "etc", "tmp"):
        (root / directory).mkdir()
    shutil.copy("/bin/busybox", root / "bin/busybox")
    for applet in APPLETS.split():
        (root / "bin" / applet).symlink_to("busybox")
    return root


@pytest.fixture
def oci(tmp_path: Path, busybox: Path) -> Iterator[Oci]:
    """The program; what a test leaves is deleted by force."""
    tmp_path.chmod(0o755)
    shutil.copytree(busybox, tmp_path / "bundle/rootfs", symlinks=True)
    program = Oci(tmp_path / "state", tmp_path / "bundle")
    program.configure()
    yield program
    program.delete_all()
