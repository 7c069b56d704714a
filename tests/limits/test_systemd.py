"""Limits where systemd owns the tree, and the end of containers when it ends the machine (`tests/vm/systemd.py`)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.timeout(600),  # a kernel within a kernel has its turn beside all other tests
    pytest.mark.vm,  # systemd sets up the whole machine that it finds
    pytest.mark.skipif(
        not (os.path.exists("/lib/systemd/systemd") and shutil.which("busctl") and shutil.which("dbus-daemon")),
        reason="systemd and dbus are not installed",
    ),
]

HERE = Path(__file__).parent
CHECKOUT = HERE.parents[1]
# All tests marked cgroup pass there; those that ask the most files and have a --cgroup-parent do for every day.
SELECTION = [HERE / "under_systemd.py", HERE / "test_files.py"]


def under_systemd(*words: str | Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, CHECKOUT / "tests" / "vm" / "systemd.py"]
    own = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **(env or {})}
    return subprocess.run(
        [*program, *words], cwd=CHECKOUT, env=own, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=550, check=False,
    )  # fmt: skip


def test_what_holds_under_systemd() -> None:
    pytest_ = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "--durations=5"]
    done = under_systemd("--", *pytest_, *SELECTION)
    print(done.stdout)
    assert done.returncode == 0


def test_the_tests_own_cgroup_is_a_scope() -> None:
    """Whoever runs them on such a machine writes nowhere but where systemd lets them."""
    scopes = "systemctl list-units --plain --no-legend 'minidock*.scope'"
    script = f'MINIDOCK_TESTS_ISOLATION= "$@" || exit; while [ "$({scopes})" ]; do sleep 0.1; done'
    tests = ["pytest", "-p", "no:cacheprovider", "-q", "tests/support/test_isolation.py"]
    done = under_systemd("--", "sh", "-c", script, "sh", sys.executable, "-m", *tests)
    assert done.returncode == 0, done.stdout
    assert "5 passed" in done.stdout


# Neither is ended by SIGTERM: what systemd itself would send.
POWER_OFF = """
set -e
run() { "$MINIDOCK" run -d --network none "$@" >/dev/null; }
run --name asked --restart always --stop-signal USR1 \
    busybox sh -c 'trap "exit 7" USR1; trap "" TERM; while :; do sleep 0.1; done'
systemctl start minidock
systemctl stop minidock
systemctl start minidock
systemctl stop minidock
"$MINIDOCK" start asked
run --name deaf --stop-timeout 1 busybox sh -c 'trap "" TERM; while :; do sleep 0.1; done'
systemctl --no-block start poweroff.target
exec sleep 100
"""


def units(directory: Path, environment: dict[str, str], program: str) -> list[str | Path]:
    """The shipped units, for our program and its root."""
    directory.mkdir()
    words: list[str | Path] = []
    for unit in (CHECKOUT / "minidock").glob("*.service"):
        text = unit.read_text().replace("=minidock ", f"={program} ").replace("=/var/lib/minidock", "=/tmp")
        settings = "".join(f"Environment={name}={value}\n" for name, value in environment.items())
        (directory / unit.name).write_text(text.replace("[Service]\n", f"[Service]\n{settings}"))
        words += ["--unit", directory / unit.name]
    return words


def test_the_units_start_and_stop_containers_as_start_and_stop_do(tmp_path: Path) -> None:
    """With their own stop signals and time-outs, and on record; at a power-off too, which comes by no unit of ours."""
    environment = {"MINIDOCK_ROOT": str(tmp_path / "root"), "MINIDOCK_RUN": "/run/minidock-test"}
    program = str(Path(sys.executable).with_name("minidock"))
    words = units(tmp_path / "units", environment, program)
    done = under_systemd(*words, "--", "sh", "-c", POWER_OFF, env={**environment, "MINIDOCK": program})
    root = tmp_path / "root"
    records = [json.loads(path.read_text()) for path in root.glob("containers/*/container.json")]
    ends = {record["name"]: (record["state"]["status"], record["state"]["exitCode"]) for record in records}
    assert ends == {"asked": ("exited", 7), "deaf": ("exited", 137)}, done.stdout
    assert all(record["state"]["shutdown"] for record in records)
    told = [json.loads(line) for line in (root / "events.log").read_text().splitlines()]
    life = {name: [event["attributes"].get("signal") or event["attributes"].get("exitCode") or event["action"]
                   for event in told if event["attributes"].get("name") == name] for name in ends}  # fmt: skip
    assert life == {
        # Stopped by the service, which starts it again and stops it; started by hand, and stopped by the power-off.
        "asked": ["create", *3 * ["start", "10", "7", "stop"]],
        "deaf": ["create", "start", "15", "9", "137", "stop"],
    }
