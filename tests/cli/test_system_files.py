"""--security-opt for what is hidden of /proc and /sys, and devices that a vendor's file describes (CDI)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from minidock.engine.spec import apparmor
from tests.cli.conftest import Run
from tests.oci.test_seccomp_listener import Listener

LOOK = """say() { "$@" >/dev/null 2>&1 && echo yes || echo no; }
    say test ! -s /proc/keys -a -c /proc/keys
    say grep -q ' /proc/sys proc ro' /proc/mounts
    say test -c /etc/alpine-release
    say grep -q ' /sys/fs/cgroup cgroup2 ro' /proc/mounts"""


@pytest.mark.parametrize(
    ("options", "hidden", "fixed", "masked", "cgroups"),
    [
        ([], True, True, False, True),
        (["unmask=ALL"], False, False, False, True),
        (["unmask=/proc/keys:/proc/acpi"], False, True, False, True),
        (["unmask=/proc/sy*"], True, False, False, True),
        (["mask=/etc/alpine-release:/nowhere"], True, True, True, True),
        (["mask=/etc/alpine-release", "systempaths=unconfined"], False, False, True, True),
        (["writable-cgroups=true"], True, True, False, False),
    ],
)
def test_what_is_hidden(run: Run, options: list[str], hidden: bool, fixed: bool, masked: bool, cgroups: bool) -> None:
    flags = [word for option in options for word in ("--security-opt", option)]
    said = [word == "yes" for word in run.shell(LOOK, *flags).split()]
    assert said == [hidden, fixed, masked, cgroups]


@pytest.fixture
def vendor() -> Iterator[Path]:
    """A vendor's file, in the directory that is this machine's until it is rebooted."""
    directory = Path("/var/run/cdi")
    directory.mkdir()
    yield directory / "vendor.json"
    shutil.rmtree(directory)


def test_a_device_by_its_name(run: Run, vendor: Path, tmp_path: Path) -> None:
    library = tmp_path / "library"
    library.write_text("a library")
    hooked = tmp_path / "hooked"
    node = {"path": "/dev/card0", "hostPath": "/dev/zero", "fileMode": 0o660, "gid": 44, "permissions": "rw"}
    edits = {"env": ["CARD=0"], "deviceNodes": [node], "additionalGids": [44]}
    content = {
        "cdiVersion": "0.6.0", "kind": "vendor.com/card", "devices": [{"name": "0", "containerEdits": edits}],
        "containerEdits": {
            "env": ["VENDOR=yes"],
            "mounts": [{"hostPath": str(library), "containerPath": "/usr/lib/card", "options": ["ro"]}],
            "hooks": [{"hookName": "createRuntime", "path": "/usr/bin/touch", "args": ["touch", str(hooked)]}],
        },
    }  # fmt: skip
    vendor.write_text(json.dumps(content))
    script = "echo $CARD $VENDOR; stat -c %t:%T:%a:%g /dev/card0; head -c1 /dev/card0 | wc -c; cat /usr/lib/card; id -G"
    shown = run.shell(script, "--device", "vendor.com/card=0").splitlines()
    assert shown[:3] == ["0 yes", "1:5:660:44", "1"]
    assert shown[3].startswith("a library")
    assert "44" in shown[3].split() or "44" in shown[-1].split()
    assert hooked.exists()


@pytest.mark.parametrize(("text", "why"), [("{}", "no cdiVersion"), ("{", "cannot be read")])
def test_a_file_that_is_none(run: Run, vendor: Path, text: str, why: str) -> None:
    vendor.write_text(text)
    done = run("--gpus", "all", "alpine", "true")
    assert (done.code, why in done.err, done.err.count("\n")) == (125, True, 1)


def test_a_program_of_the_host_decides_about_calls(run: Run, tmp_path: Path) -> None:
    listener = Listener(tmp_path / "socket", 1)
    listener.start()
    rules = [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_NOTIFY"}]
    profile = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules, "listenerPath": str(tmp_path / "socket")}
    (tmp_path / "profile.json").write_text(json.dumps(profile))
    done = run("--security-opt", f"seccomp={tmp_path}/profile.json", "alpine", "mkdir", "/new")
    listener.join(60)
    assert (done.code, "No medium found" in done.err, len(listener.told)) == (1, True, 1)


@pytest.mark.skipif(not shutil.which("apparmor_parser"), reason="needs apparmor")
def test_the_profile_for_apparmor_can_be_compiled() -> None:
    """As far as it goes without such a kernel: to the bytes that would be loaded."""
    words = ["apparmor_parser", "--skip-kernel-load", "--skip-cache", "--skip-read-cache", "--stdout"]
    done = subprocess.run(words, input=apparmor.PROFILE.encode(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert apparmor.NAME.encode() in done.stdout
    assert os.path.exists("/sys/module/apparmor") or apparmor.profile_for("", privileged=False) is None
