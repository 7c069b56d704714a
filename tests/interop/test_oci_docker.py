"""dockerd with minidock as its default runtime: the flags of isolation, exec, limits, restarts, builds."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from minidock.course import course_stages
from tests.interop import box
from tests.interop.test_oci_podman import Done
from tests.oci.test_lifecycle import eventually

pytestmark = pytest.mark.interop
RUNTIME = str(Path(sys.executable).with_name("minidock-oci"))


@dataclass
class Docker:
    """A client of a daemon of our own, with an image `box` of a static busybox."""

    base: list[str]

    def __call__(self, *words: str, terminal: bool = False, input: str = "") -> Done:
        command = [*self.base, *words]
        if terminal:
            command = ["script", "--quiet", "--return", "--command", subprocess.list2cmdline(command), "/dev/null"]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, input=input)

    def ok(self, *words: str, input: str = "") -> str:
        done = self(*words, input=input)
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return done.stdout.strip()


@pytest.fixture(scope="module")
def dockerd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Docker]:
    directory = tmp_path_factory.mktemp("dockerd")
    socket = f"unix://{directory}/docker.sock"
    mine = directory / "mine.py"  # the course's last exercise
    mine.write_text(course_stages.find("last").solution.replace("#!/usr/bin/env python3", f"#!{sys.executable}"))
    mine.chmod(0o755)
    daemon = subprocess.Popen(
        ["unshare", "--net", "dockerd", "-H", socket, "--data-root", f"{directory}/root", "--exec-root",
         f"{directory}/exec", "--pidfile", f"{directory}/pid", "--storage-driver", "overlay2", "--add-runtime",
         f"minidock={RUNTIME}", "--default-runtime", "minidock", "--add-runtime", f"mine={mine}"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_SETMASK, []),  # noqa: PLW1509 - no threads here
    )  # fmt: skip
    docker = Docker(["docker", "-H", socket])
    try:
        eventually(lambda: docker("version").returncode == 0)
        docker.ok("import", "-c", 'CMD ["/bin/sh"]', str(box.archive(directory)), "box")
        docker.ok("run", "--rm", "--network", "host", "box", "echo")  # from then on it keeps a mount of that namespace
        yield docker
        if left := docker.ok("ps", "--all", "--quiet").split():
            docker.ok("rm", "--force", *left)
    finally:
        daemon.terminate()
        daemon.wait(60)
        subprocess.run(f"grep -o ' {directory}/[^ ]*' /proc/self/mountinfo | sort -r | xargs -r umount -l",
                       shell=True, capture_output=True, check=False)  # fmt: skip
        subprocess.run("find /sys/fs/cgroup/*/docker -depth -type d -exec rmdir {} +", shell=True, capture_output=True,
                       check=False)  # fmt: skip


def test_exit_codes_and_messages(dockerd: Docker) -> None:
    assert dockerd("run", "--rm", "box", "sh", "-c", "exit 9").returncode == 9
    missing = dockerd("run", "--rm", "box", "nothing")
    assert (missing.returncode, 'exec: "nothing": executable file not found in $PATH' in missing.stderr) == (127, True)
    assert dockerd("run", "--rm", "box", "/bin").returncode == 126


def test_a_student_s_runtime(dockerd: Docker) -> None:
    """The course's last exercise, called by containerd's shim: exit code, network, signals."""
    done = dockerd("run", "--rm", "--runtime", "mine", "-h", "own", "box", "sh", "-c", "hostname; exit 7")
    assert (done.returncode, done.stdout) == (7, "own\n"), done.stderr
    script = "trap 'exit 5' TERM; while :; do sleep 0.1; done"
    dockerd.ok("run", "-d", "--name", "own", "--runtime", "mine", "box", "sh", "-c", script)
    (pid,) = dockerd.ok("inspect", "-f", "{{.State.Pid}}", "own").split()
    assert "\nSeccomp:\t2\n" in Path(f"/proc/{pid}/status").read_text()
    assert "eth0" in Path(f"/proc/{pid}/net/dev").read_text()
    dockerd.ok("stop", "own")
    assert dockerd.ok("inspect", "-f", "{{.State.ExitCode}}", "own") == "5"
    dockerd.ok("rm", "own")


def test_flags_of_isolation(dockerd: Docker, tmp_path: Path) -> None:
    script = "id -u; id -g; hostname; ls /volume; cat /proc/sys/net/ipv4/ip_forward; touch /x"
    (tmp_path / "file").touch()
    tmp_path.chmod(0o755)
    done = dockerd(
        "run", "--rm", "--cap-add", "SYS_ADMIN", "--cap-drop", "CHOWN", "--read-only", "--tmpfs", "/tmp", "--shm-size",
        "16m", "--hostname", "named", "--ulimit", "nofile=100", "--user", "1:2", "--sysctl", "net.ipv4.ip_forward=1",
        "--volume", f"{tmp_path}:/volume:ro", "--device", "/dev/null:/dev/nothing", "--security-opt",
        "no-new-privileges", "--oom-score-adj", "100", "box", "sh", "-c", script,
    )  # fmt: skip
    assert (done.returncode, done.stdout.split()) == (1, ["1", "2", "named", "file", "1"]), done.stderr
    assert "Read-only file system" in done.stderr
    assert dockerd.ok("run", "--rm", "--privileged", "box", "id", "-u") == "0"
    assert dockerd.ok("run", "--rm", "--pid", "host", "--network", "host", "--ipc", "host", "box", "echo", "x") == "x"
    assert "docker-init" in dockerd.ok("run", "--rm", "--init", "box", "ps")
    assert dockerd("run", "--rm", "-it", "box", "tty", terminal=True).stdout.endswith("/dev/pts/0\n")


def test_a_life(dockerd: Docker) -> None:
    dockerd.ok("run", "-d", "--name", "life", "box", "sh", "-c", "trap 'exit 5' TERM; while :; do sleep 0.1; done")
    assert dockerd("exec", "life", "sh", "-c", "exit 6").returncode == 6
    assert dockerd("exec", "-it", "life", "sh", "-c", "tty; exit 8", terminal=True).returncode == 8
    assert "sh -c trap" in dockerd.ok("top", "life")
    dockerd.ok("pause", "life")
    dockerd.ok("unpause", "life")
    dockerd.ok("update", "--memory", "64m", "--memory-swap", "64m", "life")
    assert "/ 64MiB" in dockerd.ok("stats", "--no-stream", "life")
    inside = dockerd.ok("run", "--rm", "--pid", "container:life", "--network", "container:life", "box", "ps")
    assert "sh -c trap" in inside
    dockerd.ok("stop", "--time", "60", "life")
    assert dockerd.ok("inspect", "life", "--format", "{{.State.ExitCode}}") == "5"
    dockerd.ok("start", "life")
    dockerd.ok("rm", "--force", "life")


def test_a_restart_policy(dockerd: Docker) -> None:
    dockerd.ok("run", "-d", "--name", "again", "--restart", "on-failure:2", "box", "sh", "-c", "exit 1")
    eventually(lambda: dockerd.ok("inspect", "again", "--format", "{{.RestartCount}} {{.State.Running}}") == "2 false")
    dockerd.ok("rm", "again")


def test_a_build(dockerd: Docker) -> None:
    dockerd.ok("build", "--quiet", "--tag", "built", "-", input="FROM box\nRUN echo made > /file\n")
    assert dockerd.ok("run", "--rm", "built", "cat", "/file") == "made"


def test_nothing_of_ours_stays(dockerd: Docker) -> None:
    """The containers are held by shims; of the runtime there is no process."""
    ids = [dockerd.ok("run", "-d", "box", "sleep", "1000") for _ in range(3)]
    words = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.parent.exists()]
    assert not [line for line in words if b"minidock/oci/private_python.py" in line]
    dockerd.ok("rm", "--force", *ids)
