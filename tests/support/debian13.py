"""Programs of Debian 13 beside those that are installed: its packages, unpacked and not installed.

They are kept outside of the checkout, so that each is downloaded once in a machine's life.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest

_SUITE = "trixie"
_KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
_SECONDS = 300  # for lists and packages together
_DOCKER = ("docker.io", "docker-cli", "containerd")  # dockerd 26.1 or newer, its client, containerd 1.7


def buildx(outside: Sequence[str]) -> Path:
    """A directory for DOCKER_CONFIG with the plug-in for BuildKit, for a client that has none.

    `outside` begins a command that is to reach the internet. Skips the test if the package cannot be had.
    """
    files = _unpacked("docker-buildx", ["docker-buildx"], outside)
    plugins = files / "config/cli-plugins"
    if not plugins.exists():
        shutil.copytree(files / "usr/libexec/docker/cli-plugins", plugins, dirs_exist_ok=True)
    return files / "config"


def docker(outside: Sequence[str]) -> list[Path]:
    """Directories for the PATH with dockerd, containerd, its shim and docker of today. `outside` as above."""
    files = _unpacked("docker", _DOCKER, outside)
    return [files / "usr/sbin", files / "usr/bin"]


def _unpacked(name: str, packages: Sequence[str], outside: Sequence[str]) -> Path:
    """The directory with the files of `packages`, kept under `name`."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "minidock-tests" / _SUITE
    kept = cache / name
    if kept.exists():
        return kept
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as directory:
        try:
            files = _download([*outside], packages, Path(directory))
        except (OSError, subprocess.SubprocessError) as error:
            said = getattr(error, "stderr", b"") or str(error).encode()
            pytest.skip(f"Debian 13's {', '.join(packages)} cannot be had: {said.decode()[-200:]}")
        try:
            os.rename(files, kept)
        except OSError:  # another worker was quicker
            assert kept.exists()
    return kept


def _download(outside: list[str], packages: Sequence[str], directory: Path) -> Path:
    """The packages' files, below `directory`. Raises `OSError`, `SubprocessError`."""
    targets = subprocess.run(["apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages"],
                             check=True, capture_output=True, timeout=_SECONDS)  # fmt: skip
    if not (mirrors := targets.stdout.decode().split()):
        raise FileNotFoundError("apt knows no place to download from")
    for name in ("lists/partial", "cache/archives/partial"):
        (directory / name).mkdir(parents=True)
    (directory / "sources.list").write_text(f"deb [signed-by={_KEYS}] {mirrors[0]} {_SUITE} main\n")
    settings = {"Dir::Etc::sourcelist": directory / "sources.list", "Dir::Etc::sourceparts": "/dev/null",
                "Dir::State::lists": directory / "lists", "Dir::Cache": directory / "cache",
                "APT::Sandbox::User": "root", "Acquire::Retries": 1, "Acquire::Languages": "none"}  # fmt: skip
    options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
    for words in (["update"], ["download", *packages]):
        subprocess.run([*outside, "apt-get", "-qq", *options, *words], check=True, capture_output=True, cwd=directory,
                       timeout=_SECONDS)  # fmt: skip
    for package in directory.glob("*.deb"):
        subprocess.run(["dpkg", "-x", package, directory / "files"], check=True, capture_output=True, timeout=_SECONDS)
    return directory / "files"
