"""Docker's plug-in for BuildKit where its client has none: Debian 13's package, unpacked and not installed.

It is kept outside of the checkout, so that it is downloaded once in a machine's life.
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
_PACKAGE = "docker-buildx"
_PLUGIN = "usr/libexec/docker/cli-plugins/docker-buildx"
_KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
_SECONDS = 120  # for lists and package together


def configuration(outside: Sequence[str]) -> Path:
    """A directory for DOCKER_CONFIG with the plug-in in it. `outside` begins a command that is to reach the internet.

    Skips the test if it cannot be had.
    """
    kept = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "minidock-tests" / _SUITE
    if not (kept / "cli-plugins" / "docker-buildx").exists():
        with tempfile.TemporaryDirectory() as directory:
            try:
                plugin = _download([*outside], Path(directory))
            except (OSError, subprocess.SubprocessError) as error:
                said = getattr(error, "stderr", b"") or str(error).encode()
                pytest.skip(
                    f"docker's client has no BuildKit here, and {_PACKAGE} cannot be had: {said.decode()[-200:]}"
                )
            (kept / "cli-plugins").mkdir(parents=True, exist_ok=True)
            shutil.copy(plugin, kept / f"docker-buildx.{os.getpid()}")
            os.rename(kept / f"docker-buildx.{os.getpid()}", kept / "cli-plugins" / "docker-buildx")
    return kept


def _download(outside: list[str], directory: Path) -> Path:
    """The plug-in's file, below `directory`. Raises `OSError`, `SubprocessError`."""
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
    for words in (["update"], ["download", _PACKAGE]):
        subprocess.run([*outside, "apt-get", "-qq", *options, *words], check=True, capture_output=True, cwd=directory,
                       timeout=_SECONDS)  # fmt: skip
    (package,) = directory.glob(f"{_PACKAGE}_*.deb")
    subprocess.run(["dpkg", "-x", package, directory / "files"], check=True, capture_output=True, timeout=_SECONDS)
    return directory / "files" / _PLUGIN
