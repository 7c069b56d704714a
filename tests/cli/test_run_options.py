"""What each option of `run` changes, seen from inside."""

import json
import os
import re
from pathlib import Path

import pytest

from tests.cli.conftest import MakeImage, Run
from tests.support.command import Minidock

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def test_the_environment_is_dockers_and_nothing_of_the_caller(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("# a comment\n\nFILE=from file\nPASSED\nNOT_THERE\nBOTH=file\n  INDENTED=x\r\n")
    result = run(
        "--env-file", f"{tmp_path}/file", "-e", "PLAIN=a=b c", "-e", "EMPTY=", "-e", "PASSED_BY_E", "-e", "NOT_THERE",
        "-e", "BOTH=option", "-h", "box", "alpine", "env",
        env={"PASSED": "1", "PASSED_BY_E": "two words", "SECRET": "of the caller"},
    )  # fmt: skip
    assert result.out.splitlines() == [
        PATH, "HOSTNAME=box", "FILE=from file", "PASSED=1", "BOTH=option", "INDENTED=x", "PLAIN=a=b c", "EMPTY=",
        "PASSED_BY_E=two words", "HOME=/root",
    ]  # fmt: skip


def test_an_image_s_environment_is_replaced_and_unset(run: Run, make_image: MakeImage) -> None:
    image = make_image(changes=("ENV A=image B=image C=image",))
    out = run("-e", "A=mine", "-e", "C", image, "/bin/busybox", "env").out.splitlines()
    assert "A=mine" in out
    assert "B=image" in out
    assert not [line for line in out if line.startswith("C=")]


def test_arguments_and_variables_are_bytes_not_text(run: Run) -> None:
    odd = os.fsdecode(b"\xff\xfe \xc3\xa9\n'\"$")
    assert run("-e", f"A={odd}", "alpine", "sh", "-c", 'printf %s "$A$1"', "-", odd).out == odd * 2


def test_a_command_s_own_options_are_not_ours(run: Run) -> None:
    assert run("alpine", "echo", "--rm=false", "-t=false", "-e", "--").out == "--rm=false -t=false -e --\n"


@pytest.mark.parametrize(
    "switches", [["-it=false"], ["-i=false", "-t=false"], ["--tty=false"], ["--interactive=0", "-t=F"]]
)
def test_switches_can_be_turned_off(run: Run, switches: list[str]) -> None:
    off = "-it=false" not in switches  # which is -i -t=false: the value is the last letter's
    result = run(*switches, "alpine", "sh", "-c", "cat; test -t 0 || echo no terminal", input=b"read\n")
    assert result.out == ("" if off else "read\n") + "no terminal\n"


def test_a_switch_that_is_turned_on_with_a_value(run: Run) -> None:
    result = run("--read-only=true", "alpine", "touch", "/x")
    assert (result.code, result.out) == (1, "")
    assert "Read-only file system" in result.err


@pytest.mark.parametrize("directory", ["/tmp", "/made/for/this", "/srv/../srv/x/./y"])
def test_the_working_directory_is_made_if_it_is_missing(run: Run, directory: str) -> None:
    assert run.shell("pwd; readlink /proc/1/cwd", "-w", directory) == f"{os.path.normpath(directory)}\n" * 2


def test_the_working_directory_of_an_image(run: Run, make_image: MakeImage) -> None:
    image = make_image(changes=("WORKDIR /app",))
    assert run(image, "/bin/busybox", "pwd").out == "/app\n"
    assert run("-w", "/other", image, "/bin/busybox", "pwd").out == "/other\n"


ROOT_GROUPS = "0 1 2 3 4 6 10 11 20 26 27"  # as Alpine's /etc/group lists root
USERS = {
    "": ("0", "0", ROOT_GROUPS, "/root"),
    "root": ("0", "0", ROOT_GROUPS, "/root"),
    "0": ("0", "0", ROOT_GROUPS, "/root"),
    "nobody": ("65534", "65534", "65534", "/"),
    "65534": ("65534", "65534", "65534", "/"),
    "daemon": ("2", "2", "1 2 4", "/sbin"),
    "daemon:audio": ("2", "18", "18", "/sbin"),
    "daemon:42": ("2", "42", "42", "/sbin"),
    "1234": ("1234", "0", "0", "/"),
    "1234:5678": ("1234", "5678", "5678", "/"),
    ":5": ("0", "5", "5", "/root"),
}


@pytest.mark.parametrize(("user", "expected"), USERS.items(), ids=USERS)
def test_users_and_groups_are_the_image_s(run: Run, user: str, expected: tuple[str, ...]) -> None:
    script = 'grep -E "^(Uid|Gid|Groups)" /proc/1/status; echo $HOME'
    uid, gid, groups, home = run.shell(script, "-u", user).splitlines()
    assert uid.split()[1:] == [expected[0]] * 4
    assert gid.split()[1:] == [expected[1]] * 4
    assert groups.removeprefix("Groups:").split() == expected[2].split()
    assert home == expected[3]


def test_a_user_can_write_to_dev_stdout(run: Run) -> None:
    assert run("-u", "nobody", "alpine", "sh", "-c", "echo x >/dev/stdout; echo y >/dev/stderr").out == "x\n"


@pytest.mark.parametrize("passwd", ["pipe", "directory", "garbage"])
def test_an_odd_passwd_file_stops_nobody(run: Run, tmp_path: Path, minidock: Minidock, passwd: str) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "etc").mkdir()
    (tmp_path / "bin/busybox").write_bytes(Path("/bin/busybox").read_bytes())
    (tmp_path / "bin/busybox").chmod(0o755)
    file = tmp_path / "etc/passwd"
    if passwd == "pipe":
        os.mkfifo(file)
    elif passwd == "directory":
        file.mkdir()
    else:
        file.write_bytes(b"root:x:zero:zero\nx\n\xff:::\nodd:x:7:seven:::\n")
    os.system(f"tar -C {tmp_path} -cf {tmp_path}/i.tar bin etc")
    assert minidock("import", f"{tmp_path}/i.tar", f"odd-{passwd}").returncode == 0
    assert run(f"odd-{passwd}", "/bin/busybox", "echo", "runs").out == "runs\n"
    assert run("-u", "0", f"odd-{passwd}", "/bin/busybox", "echo", "runs").out == "runs\n"
    if passwd == "garbage":
        assert run("-u", "odd", "odd-garbage", "/bin/busybox", "id", "-ur").out == "7\n"


def test_entry_points(run: Run, make_image: MakeImage) -> None:
    image = make_image(changes=('ENTRYPOINT ["/bin/busybox", "echo", "image"]', 'CMD ["and", "command"]'))
    assert run(image).out == "image and command\n"
    assert run(image, "and", "mine").out == "image and mine\n"
    assert run("--entrypoint", "/bin/busybox", image, "echo", "own").out == "own\n"
    assert run("--entrypoint", "", image, "/bin/busybox", "echo", "none").out == "none\n"
    bare = run("--entrypoint", "", image)
    assert (bare.code, bare.out) == (125, "")
    assert "no command specified" in bare.err


def test_the_names_that_a_container_goes_by(run: Run) -> None:
    assert run.shell("hostname; cat /etc/hostname", "-h", "web.example") == "web.example\n" * 2
    default = run.shell("hostname; cat /etc/hostname").split()
    assert default[0] == default[1]
    assert re.fullmatch("[0-9a-f]{12}", default[0])


def test_hosts_and_resolv_conf_are_the_container_s_own(run: Run) -> None:
    out = run.shell("cat /etc/hosts; echo; cat /etc/resolv.conf; echo mine >>/etc/hosts; tail -n1 /etc/hosts")
    assert out.startswith("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n")
    assert "nameserver" in out
    assert out.endswith("mine\n")
    assert "mine" not in Path("/etc/hosts").read_text().splitlines()


def test_the_kinds_of_network(run: Run) -> None:
    script = "cd /sys/class/net; ls; cat lo/operstate; ip -o addr show lo | grep -c inet; readlink /proc/1/ns/net"
    none = run.shell(script).split()
    assert none[:-1] == ["lo", "unknown", "2"]
    assert none[-1] != os.readlink("/proc/self/ns/net")
    host = run("--network", "host", "alpine", "sh", "-c", "readlink /proc/1/ns/net; cat /etc/hosts; hostname").out
    assert host == f"{os.readlink('/proc/self/ns/net')}\n{Path('/etc/hosts').read_text()}{os.uname().nodename}\n"


def test_init_is_pid_1_and_reaps(run: Run) -> None:
    orphan = "(true & echo $! >/orphan); while test -d /proc/$(cat /orphan); do :; done"
    result = run("--init", "alpine", "sh", "-c", f"{orphan}; tr '\\0' ' ' </proc/1/cmdline; echo; echo $$; exit 7")
    command, pid = result.out.splitlines()
    assert result.code == 7
    assert command.startswith("/dev/init -- sh -c")
    assert int(pid) > 1
    assert run("--init", "alpine", "no-such-program").code == 127


def test_init_with_the_host_s_devices(run: Run) -> None:
    out = run.shell("tr '\\0' ' ' </proc/1/cmdline", "--init", "-v", "/dev:/dev")
    assert out.startswith("/sbin/minidock-init -- sh")
    assert not os.path.exists("/dev/init")


def test_limits_of_the_process(run: Run) -> None:
    out = run.shell("cat /proc/1/limits", "--ulimit", "nofile=100:200", "--ulimit", "core=0", "--ulimit", "cpu=-1")
    limits = {line[:26].strip(): line[26:].split()[:2] for line in out.splitlines()}
    assert limits["Max open files"] == ["100", "200"]
    assert limits["Max core file size"] == ["0", "0"]
    assert limits["Max cpu time"] == ["unlimited", "unlimited"]


def test_kernel_parameters(run: Run) -> None:
    out = run.shell(
        "cd /proc/sys; cat net/ipv4/ip_forward kernel/shmmax fs/mqueue/queues_max net/ipv4/ip_unprivileged_port_start",
        "--sysctl", "net.ipv4.ip_forward=1", "--sysctl", "kernel.shmmax=123456", "--sysctl", "fs.mqueue.queues_max=9",
    )  # fmt: skip
    assert out.split() == ["1", "123456", "9", "0"]


def test_any_port_and_ping_for_everybody_as_in_docker(run: Run) -> None:
    script = "nc -l -p 80 -e true 2>/dev/null & ping -c1 -w5 127.0.0.1 | grep received; kill %1"
    assert "1 packets received" in run.shell(script, "-u", "nobody", "--cap-drop", "ALL")


def test_labels_stop_signal_and_cidfile(minidock: Minidock, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "cid"
    done = minidock(
        "run", "--network", "none", "--cidfile", str(file), "--label", "a=1", "-l", "b", "--stop-signal", "usr1",
        "--name", "labelled", "alpine", "true",
    )  # fmt: skip
    assert done.returncode == 0
    shown = json.loads(minidock("inspect", file.read_text()).stdout)[0]
    assert minidock("rm", "labelled").returncode == 0
    assert re.fullmatch("[0-9a-f]{64}", file.read_text())
    assert shown["Id"] == file.read_text()
    assert shown["Config"]["Labels"] == {"a": "1", "b": ""}
    assert shown["Config"]["StopSignal"] == "usr1", "as it was written"


def test_pull_never_takes_what_is_there(run: Run) -> None:
    assert run("--pull", "never", "alpine", "echo", "here").out == "here\n"


def test_an_image_for_another_machine(run: Run) -> None:
    own = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
    assert run("--platform", f"linux/{own}", "alpine", "true").code == 0
    other = "linux/s390x"
    result = run("--platform", other, "--pull", "never", "alpine", "true")
    assert result.code == 125
    assert result.err.startswith(
        f"minidock: image with reference alpine was found but does not match the specified platform: wanted {other}, "
    )
    quiet = run("--platform", other, "-q", "alpine", "true")
    assert (quiet.code, quiet.err.count("\n")) == (125, 1)
