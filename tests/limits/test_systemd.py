"""A real systemd, as PID 1 of namespaces of its own, owns a cgroup tree; in it, the tests of under_systemd.py run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from minidock.linux.cgroups import Cgroup

# Not natively: systemd sets up the whole machine that it finds, devices and kernel parameters too.
pytestmark = pytest.mark.vm

SYSTEMD = "/lib/systemd/systemd"
CHECKOUT = Path(__file__).parents[2]

# One service is the whole system, beside the bus that it needs.
UNITS = {
    "tests.service": """
[Unit]
DefaultDependencies=no
Requires=dbus.service
After=dbus.service
SuccessAction=exit-force
FailureAction=exit-force
[Service]
WorkingDirectory={checkout}
Environment=PATH={path} PYTHONPATH={pythonpath} PYTHONDONTWRITEBYTECODE=1 HOME=/tmp
ExecStart={python} -m pytest -p no:cacheprovider --durations=5 {tests}
StandardOutput=file:{output}
StandardError=inherit
""",
    "dbus.service.d/early.conf": "[Unit]\nDefaultDependencies=no\n",
    "dbus.socket.d/early.conf": "[Unit]\nDefaultDependencies=no\n",
}

# unshare --cgroup comes after the move: what a process is in then is the root of what it sees. The first unshare stays
# outside: where a process is that is not systemd's, systemd cannot hand controllers down.
BOOT = """
echo 0 >{machine}/cgroup.procs
exec unshare --cgroup sh -e -c '
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/systemd /run/lock
cp -r {units} /run/systemd/system
umount /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
exec {systemd} --unit=tests.service --log-target=console --show-status=false'
"""


@pytest.mark.skipif(
    not (os.path.exists(SYSTEMD) and shutil.which("busctl") and shutil.which("dbus-daemon")),
    reason="systemd and dbus are not installed",
)
def test_under_systemd(tmp_path: Path, parent: Path) -> None:
    output = tmp_path / "output"
    for name, text in UNITS.items():
        unit = tmp_path / "units" / name
        unit.parent.mkdir(parents=True, exist_ok=True)
        unit.write_text(
            text.format(
                checkout=CHECKOUT,
                path=os.environ["PATH"],
                pythonpath=os.environ.get("PYTHONPATH", ""),
                python=sys.executable,
                tests=Path(__file__).with_name("under_systemd.py"),
                output=output,
            )
        )
    machine = Cgroup(str(parent / "machine"))
    machine.create({"cpu", "io", "memory", "pids"})
    boot = BOOT.format(machine=machine.path, units=tmp_path / "units", systemd=SYSTEMD)
    done = subprocess.run(
        ["unshare", "--pid", "--fork", "--mount", "--ipc", "--mount-proc", "sh", "-e", "-c", boot],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
        env={"PATH": os.environ["PATH"], "container": "test"},
    )
    report = output.read_text() if output.exists() else done.stdout + done.stderr
    print(report)
    assert " passed" in report.splitlines()[-1]
    assert " failed" not in report
