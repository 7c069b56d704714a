"""`info` as the first command after a boot: what the kernel has not yet loaded is not missing."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command import Minidock

pytestmark = pytest.mark.vm  # nowhere else may modules be taken out

UNUSED = ("bridge", "veth")


@pytest.fixture
def without_modules() -> Iterator[None]:
    subprocess.run(["modprobe", "-a", "-r", *UNUSED], check=True)
    yield
    subprocess.run(["modprobe", "-a", *UNUSED], check=True)


@pytest.mark.usefixtures("without_modules")
def test_what_can_be_loaded_is_there(minidock: Minidock) -> None:
    assert not any(Path("/sys/module", name).exists() for name in UNUSED)
    lines = minidock("info").stdout.decode().splitlines()
    said = {line[2:26].strip(): line[27:] for line in lines if line.startswith("  ")}
    assert [said[name] for name in ("overlay", *UNUSED)] == ["yes"] * 3
    assert not any(Path("/sys/module", name).exists() for name in UNUSED)
