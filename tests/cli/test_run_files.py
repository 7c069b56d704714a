"""The file system in the container: layers, mounts, devices, volumes; and images that try to lead mounts astray."""

import io
import json
import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from minidock.image import reference
from minidock.image.media_types import CONFIG_TYPE, LAYER_TYPE, MANIFEST_TYPE
from minidock.image.store import Store
from minidock.image.store_writer import Ingest
from tests.cli.conftest import MakeImage, Run
from tests.support.command import Minidock

Mounts = dict[str, tuple[set[str], str, set[str], str]]  # place: (options, type, options of the whole, propagation)


def parse(mountinfo: str) -> Mounts:
    """The last mount on each place, from proc_pid_mountinfo(5)."""
    found = {}
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        fields, kind = before.split(), after.split()
        found[fields[4]] = (set(fields[5].split(",")), kind[0], set(kind[2].split(",")), " ".join(fields[6:]))
    return found


@pytest.fixture(scope="module")
def mounts(run: Run) -> Mounts:
    return parse(run.shell("cat /proc/1/mountinfo"))


SAFE = {"nosuid", "nodev", "noexec"}
# What `docker run` shows in the same places.
DOCKERS = {
    "/": ("overlay", {"rw"}, set()),
    "/proc": ("proc", {"rw", *SAFE}, set()),
    "/dev": ("tmpfs", {"rw", "nosuid"}, {"size=65536k", "mode=755"}),
    "/dev/pts": ("devpts", {"rw", "nosuid", "noexec"}, {"gid=5", "mode=620", "ptmxmode=666"}),
    "/dev/shm": ("tmpfs", {"rw", *SAFE}, {"size=65536k"}),
    "/dev/mqueue": ("mqueue", {"rw", *SAFE}, set()),
    "/sys": ("sysfs", {"ro", *SAFE}, {"ro"}),
    "/sys/fs/cgroup": ("cgroup2", {"ro", *SAFE}, set()),
}


@pytest.mark.parametrize("place", DOCKERS)
def test_mounts_are_docker_s(mounts: Mounts, place: str) -> None:
    kind, options, of_all = DOCKERS[place]
    has, has_kind, has_of_all, _ = mounts[place]
    assert has_kind == kind
    assert options <= has
    assert of_all <= has_of_all
    assert "noexec" in options or "noexec" not in has


def test_every_mount_is_private(mounts: Mounts) -> None:
    assert {place: row[3] for place, row in mounts.items() if row[3]} == {}


@pytest.mark.parametrize("place", ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"])
def test_parts_of_proc_are_read_only(mounts: Mounts, place: str) -> None:
    if place in mounts or os.path.exists(place):
        assert "ro" in mounts[place][0]


def test_masked_files_are_empty_and_masked_directories_too(run: Run) -> None:
    script = (
        "for path in /proc/asound /proc/acpi /proc/interrupts /proc/kcore /proc/keys /proc/latency_stats "
        "/proc/timer_list /proc/timer_stats /proc/sched_debug /proc/scsi /sys/firmware "
        "/sys/devices/virtual/powercap; do "
        "if [ -d $path ]; then ls -A $path; elif [ -e $path ]; then cat $path; fi; done; "
        "touch /sys/firmware/x 2>&1 || true"
    )
    assert run.shell(script) == "touch: /sys/firmware/x: Read-only file system\n"


DEVICES = {"null": "1:3", "zero": "1:5", "full": "1:7", "random": "1:8", "urandom": "1:9", "tty": "5:0"}
LINKS = {"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2",
         "ptmx": "pts/ptmx"}  # fmt: skip


def test_devices(run: Run) -> None:
    nodes, links = " ".join(DEVICES), " ".join(LINKS)
    script = (
        f"cd /dev; ls; echo; stat -c '%n %t:%T %a %u:%g' {nodes}; for link in {links}; do readlink $link; done; "
        "ls -A mqueue shm; ls pts"
    )
    names, _, rest = run.shell(script).partition("\n\n")
    assert names.split() == sorted([*DEVICES, *LINKS, "mqueue", "pts", "shm"])
    assert rest.splitlines() == [
        *(f"{name} {number} 666 0:0" for name, number in DEVICES.items()), *LINKS.values(),
        "mqueue:", "", "shm:", "ptmx",
    ]  # fmt: skip


def test_what_is_mounted_in_the_place_of_a_device_stays_there(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("of the host\n")
    words = [word for name in ("full", "stdin") for word in ("-v", f"{tmp_path}/file:/dev/{name}")]
    assert run.shell("cat /dev/full /dev/stdin; stat -c %t:%T /dev/null", *words) == "of the host\n" * 2 + "1:3\n"
    before = run.shell("cat /etc/issue")
    assert run.shell("cat /etc/issue", "--device", "/dev/null:/etc/issue") == before


def test_a_console_comes_with_a_terminal(run: Run) -> None:
    script = "stat -c %t:%T /dev/console; tty; readlink /proc/1/fd/0; grep ' /dev/console ' /proc/1/mountinfo"
    out = run("-t", "-i=false", "alpine", "sh", "-c", script).out.splitlines()
    assert out[:3] == ["88:0", "/dev/pts/0", "/dev/pts/0"]
    assert "devpts" in out[3]


def test_the_image_is_below_and_changes_are_above(run: Run, minidock: Minidock) -> None:
    with run.entered("alpine") as inside:
        options = parse(inside("cat /proc/1/mountinfo"))["/"][2]
        directories = dict(option.split("=") for option in options if "dir=" in option)
        upper, (_, lower) = directories["upperdir"], directories["lowerdir"].split(":")
        inside("echo new >/etc/new; echo changed >/etc/motd; rm /etc/issue; rm -r /media; mkdir /media")
        assert Path(upper, "etc/new").read_text() == "new\n"
        assert Path(upper, "etc/issue").stat().st_rdev == 0
        assert os.getxattr(f"{upper}/media", "trusted.overlay.opaque") == b"y"
        assert Path(lower, "etc/motd").read_text() != "changed\n"
    assert not Path(upper).exists()
    assert run.shell("test -e /etc/issue -a ! -e /etc/new; cat /etc/motd") == Path(lower, "etc/motd").read_text()


def test_more_layers_than_one_option_line_holds(run: Run, minidock: Minidock) -> None:
    """An image of 150 layers; mount(2) takes the paths of some forty."""

    def layer(name: str, content: bytes) -> io.BytesIO:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o755
            tar.addfile(info, io.BytesIO(content))
        return io.BytesIO(buffer.getvalue())

    with Ingest(Store(str(minidock.root))) as ingest:
        rows = [ingest.put_layer(layer("bin/busybox", Path("/bin/busybox").read_bytes()))]
        rows += [ingest.put_layer(layer(f"file{number}", b"%d" % number)) for number in range(149)]
        architecture = json.loads(minidock("inspect", "alpine").stdout)[0]["Architecture"]
        diff_ids = [diff_id for diff_id, _, _ in rows]
        rootfs = {"type": "layers", "diff_ids": diff_ids}
        config = json.dumps({"architecture": architecture, "os": "linux", "config": {}, "rootfs": rootfs}).encode()
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": {"mediaType": CONFIG_TYPE, "digest": ingest.put_bytes(config), "size": len(config)},
            "layers": [{"mediaType": LAYER_TYPE, "digest": digest, "size": size} for _, digest, size in rows],
        }
        ingest.add_manifest(reference.parse("many"), json.dumps(manifest).encode(), MANIFEST_TYPE)
    result = run("many", "/bin/busybox", "cat", "/file0", "/file148")
    assert (result.code, result.out, result.err) == (0, "0148", "")


def test_read_only(run: Run) -> None:
    script = "for p in / /etc /root; do touch $p/x 2>&1 || true; done; touch /dev/shm/x /dev/x /etc/hosts /v/x /t/x"
    out = run.shell(script, "--read-only", "--tmpfs", "/t", "-v", "/tmp:/v", "-w", "/made")
    assert out.count("Read-only file system") == 3
    Path("/tmp/x").unlink()


def test_tmpfs(run: Run) -> None:
    out = run.shell("cat /proc/1/mountinfo", "--tmpfs", "/t", "--tmpfs", "/u:size=1m,mode=700,exec", "--tmpfs",
                    "/dev/shm:size=2m")  # fmt: skip
    mounts = parse(out)
    assert mounts["/t"][0] >= SAFE | {"rw"}
    assert mounts["/u"][0] >= {"nosuid", "nodev"}
    assert "noexec" not in mounts["/u"][0]
    assert mounts["/u"][2] >= {"size=1024k", "mode=700"}
    assert out.count(" /dev/shm ") == 1
    assert "size=2048k" in mounts["/dev/shm"][2]


def test_a_tmpfs_has_the_mode_of_what_it_hides(minidock: Minidock) -> None:
    """And one in a place of its own is for all, at every start (moby#46872, podman#21654)."""
    options = [word for place in ("/root", "/tmp", "/etc:size=1m", "/new") for word in ("--tmpfs", place)]
    options += ["--mount", "type=tmpfs,dst=/home", "--mount", "type=tmpfs,dst=/opt,tmpfs-mode=1700"]
    look = ["stat", "-c", "%n %a", "/root", "/tmp", "/etc", "/new", "/home", "/opt"]
    seen = "/root 700\n/tmp 1777\n/etc 755\n/new 1777\n/home 755\n/opt 1700\n"
    try:
        words = ("run", "--network", "none", "--name", "modes", *options, "alpine", *look)
        assert minidock(*words).stdout.decode() == seen
        assert minidock("start", "-a", "modes").stdout.decode() == seen
    finally:
        minidock("rm", "modes")


@pytest.mark.parametrize(("option", "mode"), [("readonly=t", "ro"), ("ro=TRUE", "ro"), ("ro=F", "rw")])
def test_true_and_false_as_go_reads_them(run: Run, option: str, mode: str) -> None:
    mounts = parse(run.shell("cat /proc/self/mountinfo", "--mount", f"type=bind,src=/usr,dst=/mnt,{option}"))
    assert mode in mounts["/mnt"][0]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir/file").write_text("from the host\n")
    return tmp_path / "dir"


def test_volumes(run: Run, source: Path) -> None:
    (source.parent / "link").symlink_to("dir")
    options = [f"{source}:/a", f"{source}:/made/for/b:ro", f"{source}/file:/etc/motd", f"{source}/file:/new/c:ro",
               f"{source.parent}/link:/through"]  # fmt: skip
    script = (
        "cat /a/file /made/for/b/file /etc/motd /new/c /through/file; echo written >/a/new; echo changed >/etc/motd; "
        "echo x 2>&1 >/made/for/b/x || true; echo x 2>&1 >/new/c || true"
    )
    out = run.shell(script, *(word for option in options for word in ("-v", option)))
    assert out.startswith("from the host\n" * 5)
    assert out.count("Read-only file system") == 2
    assert (source / "new").read_text() == "written\n"
    assert (source / "file").read_text() == "changed\n"


def test_a_relative_source_is_the_caller_s(minidock: Minidock, run: Run, source: Path) -> None:
    command = [*minidock.program, "run", "--rm", "--network", "none", "-v", "./dir:/a", "alpine", "cat", "/a/file"]
    done = subprocess.run(command, cwd=source.parent, env=minidock.environment, capture_output=True, check=False)
    assert done.stdout == b"from the host\n"


def test_volumes_inside_volumes_whatever_their_order(run: Run, source: Path) -> None:
    (source / "deep").mkdir()
    out = run.shell("ls /a/deep /a", "-v", f"{source}/file:/a/deep/er", "-v", f"{source}:/a")
    assert "er" in out.split()


def test_a_volume_in_the_place_of_what_we_would_mount(run: Run, source: Path) -> None:
    assert run.shell("cat /etc/hosts", "-v", f"{source}/file:/etc/hosts") == "from the host\n"
    assert "vcs" in run.shell("ls /dev; test -c /dev/null", "-v", "/dev:/dev") or not Path("/dev/vcs").exists()


RECURSIONS = {
    "-v {source}:/v": (True, True),
    "-v {source}:/v:ro": (False, False),
    "--mount type=bind,src={source},dst=/v,ro": (False, False),
    "--mount type=bind,src={source},dst=/v,ro,bind-recursive=writable": (False, True),
    "--mount type=bind,src={source},dst=/v,ro,bind-recursive=readonly,bind-propagation=rprivate": (False, False),
    "--mount type=bind,src={source},dst=/v,bind-recursive=disabled": (True, None),
    "--mount type=bind,src={source},dst=/v,ro,bind-nonrecursive": (False, None),
}


@pytest.mark.parametrize("words", RECURSIONS)
def test_what_is_mounted_below_a_bind(run: Run, source: Path, words: str) -> None:
    """(the bind is writable, what is mounted below it is; None: that is not there)."""
    (source / "below").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "below", source / "below"], check=True)
    try:
        mounts = parse(run.shell("cat /proc/1/mountinfo", *words.format(source=source).split()))
    finally:
        subprocess.run(["umount", source / "below"], check=True)
    found = [("rw" in mounts[place][0]) if place in mounts else None for place in ("/v", "/v/below")]
    assert tuple(found) == RECURSIONS[words]


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Path]:
    """A directory whose mounts propagate to all copies of it that let them."""
    place = tmp_path / "shared"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tests", place], check=True)
    subprocess.run(["mount", "--make-shared", place], check=True)
    (place / "below").mkdir()
    yield place
    subprocess.run(["umount", "--recursive", place], check=True)


@pytest.mark.parametrize(("option", "seen"), [("", False), (":rslave", True)])
def test_mounts_on_the_host_reach_only_those_who_asked(run: Run, shared: Path, option: str, seen: bool) -> None:
    with run.entered("-v", f"{shared}:/v{option}", "alpine") as inside:
        inside("true")  # so that it is there before the mount
        subprocess.run(["mount", "-t", "tmpfs", "later", shared / "below"], check=True)
        assert ("/v/below" in parse(inside("cat /proc/1/mountinfo"))) is seen


def test_mounts_in_the_container_do_not_reach_the_host(run: Run, shared: Path) -> None:
    before = Path("/proc/self/mountinfo").read_text()
    with run.entered("--privileged", "-v", f"{shared}:/v", "-v", f"{shared}:/w:rslave", "alpine") as inside:
        made = "for p in /v /w; do mount -t tmpfs inside $p/below || echo failed; done; mount -t tmpfs inside /mnt"
        assert inside(f"{made}; grep -c inside /proc/1/mountinfo") == "3\n"
        assert Path("/proc/self/mountinfo").read_text() == before


def test_the_old_root_is_gone(run: Run) -> None:
    """After pivot_root even a root that may do everything finds no way up, as it would from a chroot."""
    host = os.stat("/")
    escape = "mkdir -p /x; cd /; chroot /x true 2>/dev/null; cd ../../../../..; stat -c '%d %i' . /proc/1/root/.."
    out = run("--privileged", "alpine", "sh", "-c", escape).out.split()
    assert out[:2] == out[2:]
    assert out[:2] != [str(host.st_dev), str(host.st_ino)]


# Images are not to be trusted: what each puts in the way of a mount, and where, for `outside`, it would like to lead.
ASTRAY = {
    "etc to outside": [("etc", "{outside}")],
    "etc to outside, by many ..": [("etc", "../../../../../../..{outside}")],
    "etc to nothing": [("etc", "/nowhere/at/all")],
    "resolv.conf to nothing": [("etc/", ""), ("etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf")],
    "hosts to outside": [("etc/", ""), ("etc/hosts", "{outside}/hosts")],
    "dev to outside": [("dev", "{outside}")],
    "dev to nothing": [("dev", "nowhere")],
    "null to outside": [("dev/", ""), ("dev/null", "{outside}/null")],
    "volume to outside": [("v", "{outside}")],
    "volume to nothing": [("v", "a/b/../c")],
    "proc to outside": [("proc", "{outside}")],
    "sys to outside": [("sys", "{outside}")],
    "shm to outside": [("dev/", ""), ("dev/shm", "{outside}")],
    "mtab to outside": [("etc/", ""), ("etc/mtab", "{outside}/mtab")],
    "dockerenv to outside": [(".dockerenv", "{outside}/env")],
    "working directory to outside": [("w", "{outside}")],
}


@pytest.mark.parametrize("entries", ASTRAY.values(), ids=ASTRAY)
def test_links_in_an_image_lead_nowhere_but_inside(
    run: Run, make_image: MakeImage, tmp_path: Path, entries: list[tuple[str, str]]
) -> None:
    outside, volume = tmp_path / "outside", tmp_path / "volume"
    outside.mkdir()
    volume.mkdir()
    image = make_image(*((name, target.format(outside=outside)) for name, target in entries))
    script = (
        "b=/bin/busybox; $b grep -q localhost /etc/hosts && $b test -s /etc/resolv.conf -a -c /dev/null -a -d /dev/pts "
        "&& echo x >/v/x/file && $b pwd"
    )
    result = run("-v", f"{volume}:/v/x", "-w", "/w/y", image, "/bin/sh", "-c", script)
    assert (result.code, result.err) == (0, "")
    assert result.out.endswith("/y\n")
    assert (volume / "file").read_text() == "x\n"
    assert os.listdir(outside) == []


REFUSED = {
    "a link to itself": [("v", "v")],
    "volume into proc": [("v", "proc/sys")],
}


@pytest.mark.parametrize("entries", REFUSED.values(), ids=REFUSED)
def test_images_that_cannot_be_mounted_in(run: Run, make_image: MakeImage, entries: list[tuple[str, str]]) -> None:
    result = run("-v", "/tmp:/v", make_image(*entries), "/bin/busybox", "true")
    assert (result.code, result.out) == (125, "")
    assert result.err.startswith("minidock: ")
    assert result.err.count("\n") == 1


def test_state_in_a_directory_with_an_odd_name(minidock: Minidock, tmp_path: Path, run: Run) -> None:
    """Colons and commas mean something in overlay's options, and a backslash in their escapes."""
    root = tmp_path / "a:b,c\\d e"
    os.system(f"tar -C / -cf {tmp_path}/i.tar bin/busybox")
    assert minidock("--root", str(root), "import", f"{tmp_path}/i.tar", "odd").returncode == 0
    words = ["--root", str(root), "run", "--rm", "--network", "none", "odd", "/bin/busybox", "touch", "/x"]
    done = minidock(*words)
    assert (done.returncode, done.stderr) == (0, b"")
