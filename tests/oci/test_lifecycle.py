"""The commands, in the order of a container's life, as an engine calls them."""

from __future__ import annotations

import array
import errno
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.oci.conftest import Oci


def eventually(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never comes"
        time.sleep(0.02)


def test_create_start_and_delete(oci: Oci, tmp_path: Path) -> None:
    oci.configure("sh", "-c", "echo made > /made; exit 3")
    assert oci.create("one", "--pid-file", str(tmp_path / "pid")).returncode == 0
    known = oci.state("one")
    assert (known["status"], known["id"], known["bundle"]) == ("created", "one", str(oci.bundle))
    assert int((tmp_path / "pid").read_text()) == known["pid"]
    assert os.readlink(f"/proc/{known['pid']}/ns/pid") != os.readlink("/proc/self/ns/pid")
    assert not (oci.bundle / "rootfs/made").exists()
    oci.ok("start", "one")
    eventually(lambda: oci.state("one")["status"] == "stopped")
    assert (oci.bundle / "rootfs/made").read_text() == "made\n"
    assert oci.state("one")["pid"] == 0
    again = oci("start", "one")
    assert (again.returncode, again.stderr) == (1, "minidock-oci: cannot start a container that is stopped\n")
    oci.ok("delete", "one")
    assert list(oci.root.iterdir()) == []
    gone = oci("delete", "one")
    assert (gone.returncode, gone.stderr) == (1, "minidock-oci: container does not exist: one\n")
    oci.ok("delete", "--force", "one")


def test_run_ends_as_the_program_does(oci: Oci) -> None:
    oci.configure("sh", "-c", "cat; echo to the other >&2; exit 7")
    done = oci.run(input="typed")
    assert (done.returncode, done.stdout, done.stderr) == (7, "typed", "to the other\n")
    oci.configure("sh", "-c", "kill -9 $$; exit 1", hostname="", linux={"namespaces": [{"type": "mount"}]})
    assert oci.run().returncode == 137
    assert list(oci.root.iterdir()) == []


def test_the_process_outlives_who_created_it_and_nothing_of_ours_stays(oci: Oci) -> None:
    oci.configure("sleep", "1000")
    assert oci.run("one", "-d").returncode == 0
    pid = oci.state("one")["pid"]
    assert Path(f"/proc/{pid}/cmdline").read_bytes() == b"sleep\x001000\x00"
    assert oci.state("one")["status"] == "running"
    assert json.loads(oci.ok("ps", "--format", "json", "one")) == [pid]
    oci.ok("kill", "one", "KILL")
    eventually(lambda: oci.state("one")["status"] == "stopped")
    killed = oci("kill", "one")
    assert (killed.returncode, killed.stderr) == (1, "minidock-oci: container not running: one\n")
    oci.ok("kill", "--all", "one")


def test_delete_of_what_runs(oci: Oci) -> None:
    oci.configure("sleep", "1000")
    assert oci.run("one", "--detach=true").returncode == 0
    pid = oci.state("one")["pid"]
    refused = oci("delete", "one")
    assert refused.stderr == "minidock-oci: cannot delete container one that is not stopped: running\n"
    oci.ok("delete", "-f", "one")
    assert not os.path.exists(f"/proc/{pid}") or "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()


def test_the_list(oci: Oci) -> None:
    for name in ("one", "two"):
        assert oci.create(name).returncode == 0
    rows = json.loads(oci.ok("list", "--format", "json"))
    assert [(row["id"], row["status"], row["owner"]) for row in rows] == [
        (n, "created", "root") for n in ("one", "two")
    ]
    assert oci.ok("list", "-q").split() == ["one", "two"]
    head, first, _ = oci.ok("list").splitlines()
    assert head.split() == ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]
    assert first.split()[:3] == ["one", str(rows[0]["pid"]), "created"]


def test_pause_and_resume(oci: Oci) -> None:
    oci.configure("sleep", "1000")
    oci.run("one", "-d")
    oci.ok("pause", "one")
    assert oci.state("one")["status"] == "paused"
    refused = oci("exec", "one", "true")
    assert (refused.returncode, "cannot exec in a paused container" in refused.stderr) == (255, True)
    assert oci("pause", "one").returncode == 1
    oci.ok("resume", "one")
    assert oci.state("one")["status"] == "running"
    oci.ok("pause", "one")
    oci.ok("delete", "--force", "one")


def test_exec(oci: Oci, tmp_path: Path) -> None:
    oci.configure("sleep", "1000")
    oci.run("one", "-d")
    done = oci(
        "exec", "--user", "5:6", "-g", "7", "--cwd", "/tmp", "-e", "A=b", "one", "sh", "-c", "id; pwd; echo $A; exit 4"
    )
    assert (done.returncode, done.stdout) == (4, "uid=5 gid=6 groups=7\n/tmp\nb\n")
    missing = oci("exec", "one", "nothing")
    assert missing.returncode == 255
    assert missing.stderr == 'minidock-oci: exec: "nothing": executable file not found in $PATH\n'
    process = tmp_path / "process.json"
    process.write_text(
        json.dumps({"args": ["sleep", "2000"], "cwd": "/", "env": ["PATH=/bin"], "user": {"uid": 9, "gid": 9}})
    )
    oci.ok("exec", "--pid-file", str(tmp_path / "pid"), "--process", str(process), "--detach", "one")
    pid = int((tmp_path / "pid").read_text())
    assert Path(f"/proc/{pid}/cmdline").read_bytes() == b"sleep\x002000\x00"
    assert os.stat(f"/proc/{pid}").st_uid == 9
    assert pid in json.loads(oci.ok("ps", "-f", "json", "one"))


@pytest.mark.parametrize("command", ["create", "exec"])
def test_a_terminal(oci: Oci, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    """The master end comes over the socket, and somebody has the other end by then: reading does not fail."""
    monkeypatch.chdir(tmp_path)  # a socket's path has 108 bytes
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind("console")
    listener.listen()
    try:
        if command == "create":
            oci.configure("sh", "-c", "tty; stat -c %F /dev/console", process={"terminal": True})
            assert oci.create("one", "-console-socket=console").returncode == 0
        else:
            oci.configure("sleep", "1000")
            oci.run("one", "-d")
            oci.ok("exec", "-d", "-t", "--console-socket", "console", "one", "tty")
        end, _ = listener.accept()
        fds = array.array("i")
        message, rows, *_ = end.recvmsg(100, socket.CMSG_LEN(fds.itemsize))
        fds.frombytes(rows[0][2])
        assert message
        if command == "create":
            oci.ok("start", "one")
        seen = b""
        while b"tty" not in seen and b"\n" not in seen:
            seen += os.read(fds[0], 1000)
        assert seen.startswith(b"/dev/pts/")
        os.close(fds[0])
        end.close()
    finally:
        listener.close()


def test_descriptors_are_preserved(oci: Oci) -> None:
    reading, writing = os.pipe()
    oci.configure("sh", "-c", "echo through >&3; ls /proc/self/fd")
    done = oci.run("one", "--preserve-fds", "1", third=writing)
    os.close(writing)
    assert os.read(reading, 100) == b"through\n", done.stderr
    assert done.stdout.split()[:4] == ["0", "1", "2", "3"]
    assert len(done.stdout.split()) == 5  # and what ls reads
    refused = oci.run("two", "--preserve-fds", "9")
    assert "is not open" in refused.stderr
    os.close(reading)


def test_two_callers_at_once_start_one_program(oci: Oci) -> None:
    oci.configure("sh", "-c", "echo started >> /count; sleep 1000")
    oci.create("one")
    both = [
        subprocess.Popen([*oci.program, "--root", str(oci.root), "start", "one"], stderr=subprocess.PIPE) for _ in "ab"
    ]
    errors = [process.communicate()[1] for process in both]
    assert sorted(process.returncode for process in both) == [0, 1], errors
    eventually((oci.bundle / "rootfs/count").exists)
    assert (oci.bundle / "rootfs/count").read_text() == "started\n"


def test_what_goes_wrong_is_in_the_log(oci: Oci, tmp_path: Path) -> None:
    log = tmp_path / "log.json"
    oci.configure("nothing")
    done = oci("create", "--bundle", str(oci.bundle), "one", before=("--log", str(log), "--log-format=json"))
    assert done.returncode == 1
    line = json.loads(log.read_text())
    assert (line["level"], line["msg"]) == ("error", 'exec: "nothing": executable file not found in $PATH')
    assert done.stderr == line["msg"] + "\n"
    assert list(oci.root.iterdir()) == []


def test_who_asks_first(oci: Oci) -> None:
    first, *rest = oci.ok("--version").splitlines()
    assert first.startswith("runc version 1.")
    assert rest[0] == "spec: 1.2.0"
    features = json.loads(oci.ok("features"))
    assert {"prestart", "poststop"} < set(features["hooks"])
    assert "SCMP_ACT_NOTIFY" in features["linux"]["seccomp"]["actions"]


def test_it_is_a_command_of_minidock_too(oci: Oci) -> None:
    done = subprocess.run([sys.executable, "-m", "minidock", "oci", "--version"], capture_output=True, check=False)
    assert done.stdout.decode() == oci.ok("--version")


def test_the_example_runs(oci: Oci) -> None:
    (oci.bundle / "config.json").unlink()
    oci.ok("spec", "-b", str(oci.bundle))
    again = oci("spec", "-b", str(oci.bundle))
    assert (again.returncode, "Remove it first" in again.stderr) == (1, True)
    config = json.loads((oci.bundle / "config.json").read_text())
    config["process"] |= {"terminal": False, "args": ["sh", "-c", "id -u; touch /x"]}
    oci.write(config)
    done = oci.run()
    assert (done.stdout, "Read-only file system" in done.stderr) == ("0\n", True)


def test_signals_by_name_and_number(oci: Oci) -> None:
    oci.configure(
        "sh", "-c", "trap 'echo usr1' USR1; trap 'echo term; exit' TERM; echo ready; while :; do sleep 0.05; done"
    )
    oci.run("one", "-d")
    out = oci.root.parent / "told"
    for name in ("SIGUSR1", "usr1", str(int(signal.SIGUSR1))):
        oci.ok("kill", "one", name)
    assert "unknown signal 'NOPE'" in oci("kill", "one", "NOPE").stderr
    assert not out.exists()
    oci.ok("kill", "one")
    eventually(lambda: oci.state("one")["status"] == "stopped")


def test_keys_in_another_case(oci: Oci) -> None:
    """Engines are written in Go, which reads both."""
    config = oci.configure("sh", "-c", "echo $X")
    config["Process"] = {**config.pop("process"), "ENV": ["X=read", "PATH=/bin"]}
    config["Process"].pop("env")
    oci.write(config)
    assert oci.ok("run", "--bundle", str(oci.bundle), "one") == "read\n"


def test_a_dev_that_is_read_only(oci: Oci) -> None:
    """It is, when all that belongs into it is there."""
    config = oci.configure("sh", "-c", "echo x > /dev/null && touch /dev/new; grep ' /dev tmpfs' /proc/mounts")
    next(mount for mount in config["mounts"] if mount["destination"] == "/dev")["options"].append("ro")
    oci.write(config)
    done = oci.run("one")
    assert "tmpfs /dev tmpfs ro," in done.stdout
    assert "/dev/new: Read-only file system" in done.stderr


def test_an_argument_that_a_filter_compares_twice(oci: Oci) -> None:
    """Either will do, as runc has it: libseccomp has no rule with both."""
    rules = [
        {"names": [name], "action": "SCMP_ACT_ERRNO", "errnoRet": errno.ENOMEDIUM,
         "args": [{"index": index, "value": value, "op": "SCMP_CMP_EQ"} for value in (0o700, 0o711)]}
        for name, index in (("chmod", 1), ("fchmodat", 2))
    ]  # fmt: skip
    oci.configure("sh", "-c", "for mode in 700 711 755; do busybox chmod $mode /tmp && echo $mode; done",
                  linux={"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules}})  # fmt: skip
    done = oci.run("one")
    assert (done.stdout, done.stderr.count("No medium")) == ("755\n", 2)


def test_rules_for_devices_as_engines_write_them(oci: Oci) -> None:
    """Without a type, or with the access a, which runc reads over."""
    rules = [{"allow": True, "type": "", "access": "rwm"}, {"allow": False, "type": "c", "major": 1, "minor": 11,
                                                              "access": "rwa"}]  # fmt: skip
    oci.configure("true", linux={"resources": {"devices": rules}})
    assert oci.run("one").returncode == 0
