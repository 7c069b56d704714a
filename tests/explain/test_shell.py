"""The "shell" lines: whoever types them gets what the call has done."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.explain.test_witness import LIFE, empty_tar
from tests.support.command import Minidock

NOT_INSTALLED = {"keyctl"}  # of the commands that are named, what a plain Debian has not


@pytest.fixture
def box(engine: Minidock) -> Iterator[int]:
    """The first process of a container that runs."""
    assert engine("run", "-d", "--name", "box", "alpine", "sleep", "1000").returncode == 0
    yield int(engine("inspect", "-f", "{{.State.Pid}}", "box").stdout)
    engine("rm", "-f", "box")


def told(engine: Minidock, file: Path, *words: str, at: int = 1, code: int = 0) -> list[dict[str, Any]]:
    """The calls of `minidock WORDS`, with their commands."""
    done = engine(*words[:at], f"--explain=json:{file}", *words[at:], input=empty_tar())
    assert done.returncode == code, (words, done.stderr.decode())
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    return [row for row in rows if row["event"] == "call"]


def shells(rows: list[dict[str, Any]]) -> list[str]:
    """The commands of calls."""
    return [row["shell"] for row in rows if "shell" in row]


def typed(*lines: str, program: str = "") -> str:
    """What lines print that are typed in; `program` is what goes on in the place of their dots."""
    line = "\n".join(lines)
    done = subprocess.run(["sh", "-ec", line.replace("...", program)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (line, done.stderr)
    return done.stdout


def test_every_line_is_one_that_a_shell_takes(engine: Minidock, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Of all commands that explain; with commands that there are, and options for each of what is done."""
    request.addfinalizer(lambda: engine("rm", "-f", "-v", "lines"))
    request.addfinalizer(lambda: engine("rmi", "of-lines"))
    request.addfinalizer(lambda: engine("network", "rm", "lines-net"))
    archive, lines = tmp_path / "archive", set()
    assert engine("save", "-o", str(archive), "alpine").returncode == 0
    for line in LIFE.format(name="lines", tmp=tmp_path, archive=archive).strip().splitlines():
        words = line.split()
        at = 2 if words[0] in ("network", "volume") else 1
        rows = told(engine, tmp_path / "told", *words, at=at)
        lines |= {row["shell"] for row in rows if "shell" in row}
    assert len(lines) > 50
    script = "\n".join(line.replace("...", "true") for line in lines)
    subprocess.run(["sh", "-n"], input=script.encode(), check=True)
    commands = {line.split()[0] for text in lines for line in re.split(" && ", text)}
    assert {word for word in commands - {"exec", "umask", "cd"} if not shutil.which(word)} <= NOT_INSTALLED
    unquoted = [re.sub("'[^']*'", "''", line) for line in lines]
    assert [line for line in unquoted if "  " in line or re.search(r"(unshare|nsenter|setpriv) *\.\.\.", line)] == []
    assert [line for line in lines if re.search(r"--target 1\b", line)] == []


def test_the_lines_of_exec_lead_into_the_container(engine: Minidock, tmp_path: Path, box: int) -> None:
    rows = told(engine, tmp_path / "told", "exec", "-u", "1000:1000", "-w", "/tmp", "box", "true")
    enter = [row["shell"] for row in rows if row.get("shell", "").startswith("nsenter")]
    joined = set()
    for line in enter:
        assert f"--target {box} " in line
        joined |= {word for word in line.split() if word.startswith("--") and word != "--target"}
        names = {word: {"--mount": "mnt"}.get(word, word[2:]) for word in joined}
        for word, name in names.items():
            if word in line.split() and word != "--mount":  # in other mounts /proc is the container's
                inside = typed(line.replace(" --mount", ""), program=f"readlink /proc/self/ns/{name}").strip()
                assert inside == Path(f"/proc/{box}/ns/{name}").readlink().name, line
        if "--mount" in line.split():
            assert (
                typed(line, program="cat /etc/alpine-release")
                == Path(f"/proc/{box}/root/etc/alpine-release").read_text()
            )
    assert joined == {"--mount", "--uts", "--ipc", "--pid", "--net", "--cgroup"}
    limits = [row for row in rows if row["call"] == "prctl" and row["arguments"][0] == "PR_CAPBSET_DROP"]
    assert limits, "root's power is told"


def test_the_lines_of_a_process_give_it_what_the_calls_gave(engine: Minidock, tmp_path: Path, box: int) -> None:
    """setpriv, umask and prlimit, as one line of a block, against a process of the container's."""
    file = tmp_path / "told"
    options = ["--user", "1000:2000", "--ulimit", "nofile=100:200", "--network", "none"]
    look = "grep -E '^(Cap(Bnd|Prm|Eff)|NoNewPrivs|Uid|Gid|Umask)' /proc/self/status; ulimit -n"
    words = ["run", "--rm", f"--explain=full:{file}", "--security-opt", "no-new-privileges", *options]
    done = engine(*words, "alpine", "sh", "-c", look)
    assert done.returncode == 0, done.stderr
    lines = re.findall(r"shell    (setpriv .*|umask .*|prlimit .*)", file.read_text())
    power = [line.removesuffix(" ...") for line in lines if line.startswith("setpriv")]
    limit = next(line.removesuffix(" ...") for line in lines if line.startswith("prlimit"))
    assert len(power) >= 2
    mask = next(line for line in lines[::-1] if line.startswith("umask"))
    chain = " ".join([limit, *power])
    assert typed(f'{mask}; {chain} sh -c "{look}"') == done.stdout.decode()
