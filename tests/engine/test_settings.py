"""Defaults for all containers from the configuration file: what a container says itself comes first."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.command import Minidock

LOOK = "grep NoNewPrivs /proc/self/status; ulimit -n; ulimit -Hn"


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ([], b"NoNewPrivs:\t1\n200\n300\n"),
        (["--security-opt", "no-new-privileges=false"], b"NoNewPrivs:\t0\n200\n300\n"),
        (["--ulimit", "nofile=100:100"], b"NoNewPrivs:\t1\n100\n100\n"),
    ],
)
def test_defaults(engine: Minidock, tmp_path: Path, flags: list[str], expected: bytes) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[containers]\nno_new_privileges = true\nulimits = { nofile = "200:300" }\n')
    env = {"MINIDOCK_CONFIG": str(config)}
    done = engine("run", "--rm", "--network", "none", *flags, "alpine", "sh", "-c", LOOK, env=env)
    assert (done.returncode, done.stdout) == (0, expected), done.stderr


def test_a_default_of_processes(engine: Minidock, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[containers]\npids_limit = 77\n")
    env = {"MINIDOCK_CONFIG": str(config)}
    for flags, expected in ([], 77), (["--pids-limit", "5"], 5), (["--pids-limit", "-1"], -1):
        done = engine("create", "--network", "none", *flags, "alpine", "true", env=env)
        assert done.returncode == 0, done.stderr
        name = done.stdout.decode().strip()
        assert json.loads(engine("inspect", name).stdout)[0]["HostConfig"]["PidsLimit"] == expected
        assert engine("rm", name).returncode == 0


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[containers]\nuserns = 1\n", "containers.userns is not a text"),
        ('[containers]\nuserns = "mine"\n', "containers.userns must be host, remap or auto, not mine"),
        ("[containers]\nusernz = 1\n", "containers.usernz is no setting that minidock knows"),
        ('[containers]\nulimits = { nofile = "many" }\n', "'many' is no number"),
        ("[containers]\nuserns\n", "cannot be read"),
        ("containers = 1\n", "containers must be a table"),
    ],
)
def test_what_cannot_be_meant(engine: Minidock, tmp_path: Path, text: str, why: str) -> None:
    config = tmp_path / "config.toml"
    config.write_text(text)
    done = engine("run", "--rm", "alpine", "true", env={"MINIDOCK_CONFIG": str(config)})
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (125, b"", 1)
    assert why in done.stderr.decode()
