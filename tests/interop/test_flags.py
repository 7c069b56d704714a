"""The table of docker's flags, which tests/cli/test_docker_flags.py holds minidock to, is that of docker's client."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from tests.cli.test_docker_flags import TABLE

_FLAG = re.compile(r"^\s+(?:(-\w), )?\s*(--[a-z0-9-]+)", re.MULTILINE)


@pytest.mark.parametrize("name", TABLE)
def test_the_table_is_true(name: str) -> None:
    docker = shutil.which("docker")
    if docker is None:
        pytest.skip("no docker here")
    version = subprocess.run([docker, "--version"], capture_output=True, text=True, check=True).stdout
    if " 28." not in version:
        pytest.skip(f"the table is of docker 28: {version}")
    text = subprocess.run([docker, *name.split(), "--help"], capture_output=True, text=True, check=True).stdout
    flags = {"|".join(filter(None, match.groups())) for match in _FLAG.finditer(text)}
    assert flags - {"--help", "-h|--help"} == set(TABLE[name].split())
