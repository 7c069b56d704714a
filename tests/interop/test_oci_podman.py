"""podman with minidock as its OCI runtime (--runtime): what it starts, enters, stops and counts are our processes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from minidock.linux import cgroups_v1
from tests.interop import box

pytestmark = pytest.mark.interop
Done = subprocess.CompletedProcess[str]
RUNTIME = str(Path(sys.executable).with_name("minidock-oci"))


@dataclass
class Podman:
    """podman with state of its own, and an image `box` of a static busybox."""

    base: list[str]
    environment: dict[str, str]

    def __call__(self, *words: str, terminal: bool = False) -> Done:
        command = [*self.base, *words]
        if terminal:
            command = ["script", "--quiet", "--return", "--command", subprocess.list2cmdline(command), "/dev/null"]
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            stdin=subprocess.DEVNULL,
            env=self.environment,
        )

    def ok(self, *words: str) -> str:
        done = self(*words)
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return done.stdout.strip()


@pytest.fixture(scope="module")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    directory = tmp_path_factory.mktemp("podman")
    run_root = tempfile.mkdtemp(prefix="pod-", dir="/run")  # podman wants a short one
    settings = directory / "containers.conf"
    settings.write_text('[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n')
    base = ["podman", "--root", f"{directory}/root", "--runroot", run_root, "--runtime", RUNTIME, "--cgroup-manager",
            "cgroupfs", "--storage-driver", "vfs", "--hooks-dir", str(directory / "hooks")]  # fmt: skip
    (directory / "hooks").mkdir()
    program = Podman(base, {**os.environ, "CONTAINERS_CONF": str(settings)})
    program.ok("import", "-c", 'CMD ["/bin/sh"]', str(box.archive(directory)), "box")
    yield program
    program("rm", "--force", "--all", "--time", "0")
    empty = "find /sys/fs/cgroup/*/libpod_parent -depth -type d -exec rmdir {} +"
    subprocess.run(empty, shell=True, capture_output=True, check=False)
    shutil.rmtree(run_root, ignore_errors=True)
    for top in {*cgroups_v1.hierarchies().values(), "/sys/fs/cgroup/unified"}:
        for path in sorted(Path(top).glob("libpod_parent/**/"), reverse=True):
            path.rmdir()


def test_exit_codes_and_messages(podman: Podman) -> None:
    assert podman("run", "--rm", "--network", "none", "box", "sh", "-c", "id -u; exit 9").returncode == 9
    missing = podman("run", "--rm", "--network", "none", "box", "nothing")
    assert (missing.returncode, "executable file not found in $PATH" in missing.stderr) == (127, True)
    directory = podman("run", "--rm", "--network", "none", "box", "/bin")
    assert (directory.returncode, "is a directory" in directory.stderr) == (126, True)


def test_a_terminal(podman: Podman) -> None:
    done = podman("run", "--rm", "-it", "--network", "none", "box", "sh", "-c", "tty; exit 5", terminal=True)
    assert (done.returncode, "/dev/pts/0" in done.stdout) == (5, True), done.stdout


def test_a_life(podman: Podman) -> None:
    script = "trap 'exit 5' TERM; echo began; while :; do sleep 0.1; done"
    podman.ok("run", "--detach", "--name", "life", "--network", "none", "box", "sh", "-c", script)
    pid = podman.ok("inspect", "life", "--format", "{{.State.Pid}}")
    assert Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"sh\0-c\0trap")
    assert podman("exec", "life", "sh", "-c", "exit 6").returncode == 6
    entered = podman("exec", "-it", "life", "sh", "-c", "tty; exit 8", terminal=True)
    assert (entered.returncode, "/dev/pts/" in entered.stdout) == (8, True)
    podman.ok("exec", "--detach", "life", "sleep", "1000")
    assert "sleep 1000" in podman.ok("top", "life")
    podman.ok("pause", "life")
    assert podman.ok("inspect", "life", "--format", "{{.State.Status}}") == "paused"
    podman.ok("unpause", "life")
    assert podman.ok("logs", "life") == "began"
    podman.ok("stop", "--time", "60", "life")
    assert podman.ok("inspect", "life", "--format", "{{.State.Status}} {{.State.ExitCode}}") == "exited 5"
    podman.ok("start", "life")
    podman.ok("kill", "life")
    assert podman.ok("wait", "life") == "137"
    podman.ok("rm", "life")


def test_a_limit_is_in_force(podman: Podman) -> None:
    """podman asks for 2048 processes by itself: on this host that is kept where the controller is."""
    podman.ok("run", "--detach", "--name", "few", "--network", "none", "--memory", "64m", "box", "sleep", "1000")
    pid = podman.ok("inspect", "few", "--format", "{{.State.Pid}}")
    places = dict(line.split(":", 2)[1:] for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines())
    tops = cgroups_v1.hierarchies()
    for controller, file, expected in (
        ("pids", "pids.max", "2048"),
        ("memory", "memory.limit_in_bytes", str(64 << 20)),
    ):
        if controller in tops:
            assert Path(tops[controller], places[controller].lstrip("./"), file).read_text().strip() == expected
    podman.ok("rm", "--force", "--time", "0", "few")


def test_a_pod_shares_namespaces(podman: Podman, tmp_path: Path) -> None:
    podman.ok(
        "pod", "create", "--name", "pod", "--network", "none", "--infra-image", "box", "--infra-command", "sleep 1000"
    )
    podman.ok("run", "--detach", "--pod", "pod", "--name", "first", "box", "sleep", "1000")
    seen = podman.ok("run", "--rm", "--pod", "pod", "box", "sh", "-c", "hostname; readlink /proc/self/ns/net")
    assert seen.splitlines() == ["pod", podman.ok("exec", "first", "readlink", "/proc/self/ns/net")]
    # With version 1 hierarchies podman cannot remove its own cgroup of a pod, with runc neither: only the pod is to go.
    podman("pod", "rm", "--force", "--time", "0", "pod")
    assert podman.ok("ps", "--all", "--quiet", "--filter", "name=first") == ""
    podman("pod", "rm", "--force", "pod")


def test_a_hook(podman: Podman, tmp_path: Path) -> None:
    directory = Path(podman.base[podman.base.index("--hooks-dir") + 1])
    script = tmp_path / "hook"
    script.write_text(f"#!/bin/sh\ncat > {tmp_path}/state\n")
    script.chmod(0o755)
    hook = {"version": "1.0.0", "hook": {"path": str(script)}, "when": {"always": True}, "stages": ["createRuntime"]}
    (directory / "one.json").write_text(json.dumps(hook))
    try:
        podman.ok("run", "--rm", "--network", "none", "box", "echo")
        assert '"status": "creating"' in (tmp_path / "state").read_text()
    finally:
        (directory / "one.json").unlink()
