#!/usr/bin/env python3
"""Run a command as a service of a systemd that owns the whole cgroup v2 tree which it sees.

    tests/vm/systemd.py [--unit FILE]... -- COMMAND [ARGUMENT...]      from inside the second kernel (uml.py)

A real systemd boots as PID 1 of process, mount, IPC and cgroup namespaces of its own, with hardly more than a bus and
the command. The command's output is ours and its exit code as well; what it has made below /run goes with the system.
`--unit` adds a unit's file. A command that ends the system (`systemctl --no-block start poweroff.target`) ends it in
order, as on a machine; nobody is left then to tell its exit code.

Not on the machine itself: systemd sets up the whole machine that it finds, devices and kernel parameters too.
"""

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SYSTEMD = Path("/lib/systemd/systemd")
SHIPPED = SYSTEMD.parent / "system"
# Instead of the whole system that is installed: nothing is started but what is copied here. What a unit with the usual
# dependencies waits for is there at once.
COPIED = ("dbus.service", "dbus.socket", "shutdown.target", "umount.target", "final.target", "poweroff.target",
          "systemd-poweroff.service", "slices.target", "local-fs.target", "network.target",
          "network-online.target", "multi-user.target", "systemd-logind.service")  # fmt: skip
NAMESPACES = ("unshare", "--pid", "--fork", "--kill-child", "--mount", "--ipc", "--mount-proc")
EMPTY = ("sysinit.target", "basic.target", "sockets.target")

COMMAND = """
[Unit]
DefaultDependencies=no
Requires=dbus.service
After=dbus.service
SuccessAction=exit-force
FailureAction=exit-force
[Service]
Type=oneshot
WorkingDirectory={directory}
EnvironmentFile={share}/environment
ExecStart=/bin/sh {share}/command
StandardOutput=file:{share}/output
StandardError=inherit
"""

# unshare --cgroup comes after the move: what a process is in then is the root of what it sees. The first unshare stays
# outside: where a process is that is not systemd's, systemd cannot hand controllers down.
BOOT = """
echo 0 >{machine}/cgroup.procs
exec unshare --cgroup sh -e -c '
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/systemd /run/lock
cp -r {share}/units /run/systemd/system
umount /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
exec {systemd} --unit=command.service --log-target=console --show-status=false'
"""


def write_units(share: Path, added: list[Path]) -> None:
    """The directory of all units that the system has."""
    units = share / "units"
    units.mkdir()
    for path in [SHIPPED / name for name in COPIED] + added:
        (units / path.name).write_text(path.read_text())
    for name in EMPTY:
        (units / name).write_text("[Unit]\nDefaultDependencies=no\n")
    for name in ("dbus.service", "dbus.socket"):
        (units / f"{name}.d").mkdir()
        (units / f"{name}.d" / "early.conf").write_text("[Unit]\nDefaultDependencies=no\n")
    (units / "command.service").write_text(COMMAND.format(directory=os.getcwd(), share=share))


def write_command(share: Path, command: list[str]) -> None:
    """The command with our environment, in a shell that keeps its exit code."""
    (share / "environment").write_text(
        "".join(f"{name}={shlex.quote(value)}\n" for name, value in os.environ.items() if "\n" not in value)
    )
    (share / "command").write_text(f"{shlex.join(command)}\necho $? >{share}/status\n")


def boot(share: Path) -> str:
    """The system's whole life; returns what it has said itself."""
    mounts = Path("/proc/mounts").read_text().splitlines()
    root = next(line.split()[1] for line in mounts if line.split()[2] == "cgroup2")
    machine = Path(root, f"machine-{os.getpid()}")
    Path(root, "cgroup.subtree_control").write_text("+cpu +io +memory +pids")
    machine.mkdir()
    script = BOOT.format(machine=machine, share=share, systemd=SYSTEMD)
    path = "/run/systemd/transient:/run/systemd/system.control:/run/systemd/system"
    environment = {"PATH": os.environ["PATH"], "container": "test", "SYSTEMD_UNIT_PATH": path}
    try:
        with (share / "said").open("wb") as said:
            system = subprocess.Popen(
                [*NAMESPACES, "sh", "-e", "-c", script],
                stdout=said, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=environment,
            )  # fmt: skip
        copy_while_running(share / "output", system)
    finally:
        for directory, _, _ in os.walk(machine, topdown=False):
            os.rmdir(directory)
    return (share / "said").read_text(errors="replace")


def copy_while_running(output: Path, system: subprocess.Popen[bytes]) -> None:
    """What the command writes to a file, to our own output as it comes."""
    output.touch()
    with output.open("rb") as file:
        while True:
            ended = system.poll() is not None  # asked first: nothing is written after that
            shutil.copyfileobj(file, sys.stdout.buffer)
            sys.stdout.buffer.flush()
            if ended:
                return
            time.sleep(0.1)


def main() -> int:
    parser = argparse.ArgumentParser(description="Run a command under a systemd of its own.")
    parser.add_argument("--unit", type=Path, action="append", default=[], help="a unit's file to add")
    parser.add_argument("command", nargs="+", help="after --")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="minidock-systemd-") as name:
        share = Path(name)
        write_units(share, arguments.unit)
        write_command(share, arguments.command)
        said = boot(share)
        status = share / "status"
        if not status.exists():
            sys.stderr.write(said)
        return int(status.read_text()) if status.exists() else 1


if __name__ == "__main__":
    sys.exit(main())
