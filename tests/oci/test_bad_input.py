"""What nobody can have is told in one line, and nothing is left of it."""

from __future__ import annotations

import copy
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from minidock.runtime import spec_shapes
from minidock.shapes import Each
from tests.oci.conftest import Config, Oci, example

# What has to be said of a bundle, or of how it is created.
REFUSED: dict[str, tuple[Callable[[Config], object], str]] = {
    "an unknown version": (lambda c: c.update(ociVersion="2.0"), "ociVersion '2.0' is not supported"),
    "no root file system": (lambda c: c["root"].update(path="missing"), "missing is no directory"),
    "no program": (lambda c: c["process"].update(args=[]), "process.args is missing"),
    "a terminal that nobody holds": (lambda c: c["process"].update(terminal=True), "without setting console socket"),
    "a path that is no namespace": (
        lambda c: c["linux"].update(namespaces=[{"type": "mount"}, {"type": "uts", "path": "/etc/passwd"}]),
        "Invalid argument",
    ),
    "a namespace that is not there": (
        lambda c: c["linux"].update(namespaces=[{"type": "mount"}, {"type": "uts", "path": "/x"}]),
        "No such file",
    ),
    "the same namespace twice": (
        lambda c: c["linux"].update(namespaces=[{"type": "mount"}, {"type": "uts"}, {"type": "uts"}]),
        "uts is listed twice",
    ),
    "a hook that is missing": (
        lambda c: c.update(hooks={"createRuntime": [{"path": "/no/such"}]}),
        "createRuntime hook #0 (/no/such): no such file",
    ),
    "a hook that fails": (
        lambda c: c.update(hooks={"prestart": [{"path": "/bin/sh", "args": ["sh", "-c", "echo why; exit 3"]}]}),
        "prestart hook #0 (/bin/sh): exit status 3: why",
    ),
    "a hook that hangs": (
        lambda c: c.update(hooks={"createContainer": [{"path": "/bin/sleep", "args": ["sleep", "900"], "timeout": 1}]}),
        "createContainer hook #0 (/bin/sleep) was killed: it took longer than 1 seconds",
    ),
    "systemd's cgroup without it": (lambda c: c["linux"].update(cgroupsPath="a.slice:b:c"), "meant for systemd"),
    "an option that a bind has not": (
        lambda c: c["mounts"].append({"destination": "/m", "source": "/tmp", "options": ["bind", "norealoption"]}),
        "'norealoption' is no option of a bind mount",
    ),
    "mappings for what is no bind": (
        lambda c: c["mounts"].append(
            {
                "destination": "/m",
                "source": "/tmp",
                "options": [],
                "uidMappings": [{"containerID": 0, "hostID": 0, "size": 1}],
                "gidMappings": [{"containerID": 0, "hostID": 0, "size": 1}],
            }
        ),
        "idmap is for a bind mount",
    ),
    "somebody who asks about system calls": (
        lambda c: c["linux"].update(seccomp={"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/x"}),
        "listenerPath",
    ),
    "an unknown flag of a filter": (
        lambda c: c["linux"].update(seccomp={"defaultAction": "SCMP_ACT_ALLOW", "flags": ["X"]}),
        "unknown seccomp flag 'X'",
    ),
    "a sysctl of the whole machine": (
        lambda c: c["linux"].update(sysctl={"kernel.panic": "1"}),
        "'kernel.panic' is not in a separate kernel namespace",
    ),
    "a label that no module knows": (lambda c: c["process"].update(selinuxLabel="x"), "SELinux is not enabled"),
    "a domain name for the host": (
        lambda c: (c.update(domainname="x"), c["linux"].update(namespaces=[{"type": "mount"}])),
        "private UTS namespace",
    ),
    "Intel's cache": (lambda c: c["linux"].update(intelRdt={"closID": "x"}), "linux.intelRdt is not supported"),
    "an unknown policy": (lambda c: c["process"].update(scheduler={"policy": "SCHED_X"}), "'SCHED_X' is not known"),
    "a class without a name": (
        lambda c: c["process"].update(ioPriority={"class": "X", "priority": 1}),
        "process.ioPriority.class 'X' is not known",
    ),
    "a limit twice": (
        lambda c: c["process"].update(rlimits=[{"type": "RLIMIT_CORE", "soft": 0, "hard": 0}] * 2),
        "RLIMIT_CORE twice",
    ),
    "huge pages that the host has not": (
        lambda c: c["linux"].update(resources={"hugepageLimits": [{"pageSize": "3MB", "limit": 1}]}),
        "hugetlb",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(oci: Oci, name: str) -> None:
    change, expected = REFUSED[name]
    config = example(["true"])
    change(config)
    oci.write(config)
    done = oci.create("one")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
    assert expected in done.stderr
    assert not oci.root.exists() or list(oci.root.iterdir()) == []


def test_what_is_no_specification(oci: Oci) -> None:
    path = oci.bundle / "config.json"
    path.unlink()
    assert "config.json not found" in oci.create("one").stderr
    for text, why in (("{", "no JSON"), ("[]", "no JSON object"), ("", "it is empty"), ("{}", "ociVersion is missing")):
        path.write_text(text)
        done = oci.create("one")
        assert (done.returncode, why in done.stderr, len(done.stderr.splitlines())) == (1, True, 1), done.stderr


def test_ids(oci: Oci) -> None:
    for bad in ("../x", "a/b", "..", ".", "a b", "", "é"):
        for words in (("create", "--bundle", str(oci.bundle)), ("state",), ("delete", "--force"), ("kill",)):
            done = oci(*words, bad)
            assert (done.returncode, done.stderr.startswith("minidock-oci: invalid container ID format")) == (
                1,
                True,
            ), bad
    assert oci.create("one").returncode == 0
    assert oci.create("one").stderr == "minidock-oci: container with id exists: one\n"
    assert oci.state("one")["status"] == "created"


def test_the_command_line(oci: Oci) -> None:
    for words, why in (
        (("nothing",), "No help topic for 'nothing'"),
        (("create", "--nope", "one"), "flag provided but not defined: --nope"),
        (("state",), '"state" requires exactly 1 argument'),
        (("exec",), '"exec" requires at least 1 argument'),
        (("create", "--preserve-fds=x", "one"), "--preserve-fds takes a number"),
        (("checkpoint", "one"), "cannot checkpoint a container"),
        (("restore", "one"), "cannot restore a container"),
        (("start", "one"), "container does not exist: one"),
        (("update", "--memory", "lots", "one"), "container does not exist: one"),
    ):
        done = oci(*words)
        assert (done.returncode != 0, why in done.stderr, len(done.stderr.splitlines())) == (True, True, 1), done.stderr


def test_a_format_that_nobody_knows(oci: Oci) -> None:
    oci.create("one")
    for words in (("list", "--format", "xml"), ("ps", "-f", "xml", "one")):
        done = oci(*words)
        assert (done.returncode, done.stderr) == (1, "minidock-oci: invalid format option: it is table or json\n")


def test_a_console_socket_that_nobody_listens_on(oci: Oci, tmp_path: Path) -> None:
    oci.configure("true", process={"terminal": True})
    done = oci.create("one", "--console-socket", str(tmp_path / "none"))
    assert (done.returncode, "No such file or directory" in done.stderr) == (1, True)
    assert list(oci.root.iterdir()) == []


def test_exec_in_what_has_ended(oci: Oci) -> None:
    oci.create("one")
    oci.ok("kill", "one", "KILL")
    done = oci("exec", "one", "true")
    assert done.returncode == 255
    assert done.stderr in (
        "minidock-oci: cannot exec in a stopped container\n",
        "minidock-oci: container not running: one\n",
    )


def test_a_cgroup_that_leads_out_stays_in(oci: Oci) -> None:
    oci.configure("true", linux={"cgroupsPath": f"/../../../oci-out-{os.getpid()}"})
    assert oci.create("one").returncode == 0
    with open(f"/proc/{oci.state('one')['pid']}/cgroup", encoding="ascii") as file:
        path = next(line for line in file if line.startswith("0::"))
    assert path.rstrip().endswith(f"/oci-out-{os.getpid()}")


def test_a_full_disk(oci: Oci) -> None:
    oci.root.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k,nr_inodes=3", "none", str(oci.root)], check=True)
    try:
        done = oci.create("one")
        assert (done.returncode, "No space left on device" in done.stderr) == (1, True)
        oci.ok("delete", "--force", "one")
        assert list(oci.root.iterdir()) == []
    finally:
        subprocess.run(["umount", str(oci.root)], check=True)


WRONG: list[Any] = ["text", 7, True, 1.5, [], {}, [7], ["text"], {"x": 7}, -1, 1 << 70]


def _places(shape: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every field of a config.json, with its shape."""
    yield path, shape
    if isinstance(shape, dict):
        for key, inner in shape.items():
            yield from _places(inner, (*path, key.rstrip("!")))
    elif isinstance(shape, list):
        yield from _places(shape[0], (*path, 0))
    elif isinstance(shape, Each):
        yield from _places(shape.values, (*path, "key"))


def _with(config: Any, path: tuple[Any, ...], value: Any, shape: Any) -> Any:
    """`config` with `value` at `path`, and what has to be there on the way."""
    if not path:
        return value
    changed = copy.deepcopy(config)
    step, *rest = path
    if isinstance(step, int):
        base = changed[0] if isinstance(changed, list) and changed else _least(shape[0])
        return [_with(base, tuple(rest), value, shape[0])]
    changed = changed if isinstance(changed, dict) else {}
    inner = shape.values if isinstance(shape, Each) else shape.get(step, shape.get(f"{step}!"))
    base = changed.get(step, _least(inner))
    return {**changed, step: _with(base, tuple(rest), value, inner)}


def _least(shape: Any) -> Any:
    """The smallest value of a shape."""
    if isinstance(shape, dict):
        return {key.rstrip("!"): _least(inner) for key, inner in shape.items() if key.endswith("!")}
    if isinstance(shape, (list, Each)):
        return [] if isinstance(shape, list) else {}
    return {str: "x", bool: False, dict: {}}.get(shape, 1) if isinstance(shape, type) else shape.start


def _fits(value: Any, shape: Any) -> bool:
    if isinstance(shape, range):
        return isinstance(value, int) and not isinstance(value, bool) and value in shape
    if isinstance(shape, list):
        return isinstance(value, list)
    if isinstance(shape, (dict, Each)):
        return isinstance(value, dict)
    return isinstance(value, shape)


def test_wrong_types_in_every_field() -> None:
    """Each is told by its place. (By the public function: one process for two thousand bundles.)"""
    seen = 0
    for path, shape in _places(spec_shapes.CONFIG):
        for value in WRONG:
            if _fits(value, shape):
                continue
            config = _with(example(["true"]), path, value, spec_shapes.CONFIG)
            with pytest.raises(spec_shapes.UsageError) as error:
                spec_shapes.check_config(config, "bundle")
            assert ".".join(map(str, path)) in str(error.value) or not path, (path, value, error.value)
            seen += 1
    assert seen > 1000


def test_wrong_types_as_a_caller_sees_them(oci: Oci) -> None:
    for path in (
        ("process", "args"),
        ("linux", "resources", "memory", "limit"),
        ("mounts", 0, "options"),
        ("hooks", "prestart"),
    ):
        oci.write(_with(example(["true"]), path, 1.5, spec_shapes.CONFIG))
        done = oci.create("one")
        assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
        assert "Traceback" not in done.stderr
        assert ".".join(map(str, path)) in done.stderr


def test_wrong_resources_of_an_update(oci: Oci, tmp_path: Path) -> None:
    oci.create("one")
    for text, why in (
        ("{", "no JSON"),
        ("[]", "is not an object"),
        ('{"memory": {"limit": "x"}}', "memory.limit is not a number"),
    ):
        done = oci("update", "--resources", "-", "one", input=text)
        assert (done.returncode, why in done.stderr, len(done.stderr.splitlines())) == (1, True, 1), done.stderr
    process = tmp_path / "process.json"
    for content, why in ({"args": 1}, "args is not an array"), ([], "not a JSON object"):
        process.write_text(json.dumps(content))
        done = oci("exec", "--process", str(process), "one")
        assert (done.returncode, why in done.stderr or "cwd is missing" in done.stderr) == (255, True), done.stderr
