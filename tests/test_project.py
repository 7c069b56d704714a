"""The project around the code: set-up, its pins, what a package would hold."""

import configparser
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]
NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]


def settings() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(CHECKOUT / "setup.cfg")
    return parser


def run(*command: str, cwd: str = "/", input: str = "") -> subprocess.CompletedProcess[str]:
    """Run without the flags of the make that may be running us."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(
        command, cwd=cwd, env=own, input=input, capture_output=True, text=True, timeout=280, check=False
    )


def make(*targets: str, outside: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """`outside` is the fixture of that name, for what pip may have to download."""
    return run(*outside, "make", "--no-print-directory", *targets, cwd=str(CHECKOUT))


def test_setting_up_again_does_nothing_and_says_nothing(outside: list[str]) -> None:
    make("setup", "setup-test", outside=outside)  # in case setup.cfg was just edited
    before = installed()
    done = make("setup", "setup-test")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert installed() == before


def installed() -> dict[str, int]:
    """When each of what set-up makes was last written."""
    packages = Path(sys.executable).parents[1].glob("lib/python3*/site-packages/*")
    return {str(path): path.stat().st_mtime_ns for path in [*packages, *CHECKOUT.glob(".venv/.*")]}


@pytest.mark.parametrize("target", ["setup", "run", "test", "interop", "bench"])
def test_who_is_not_root_is_told_in_one_line(target: str) -> None:
    # Through standard input: a checkout below /root is not for them to read. make copies it, and leaves the copy.
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o777)
        make = ("env", f"TMPDIR={place}", "make", "-f", "-", target)
        done = run(*NOBODY, *make, input=(CHECKOUT / "Makefile").read_text())
    assert done.returncode != 0
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert f"needs root. Try: sudo make {target}" in done.stderr


def test_without_a_target_make_says_what_there_is() -> None:
    done = make()
    assert done.returncode == 0
    for target in ("run", "setup", "test", "interop", "bench", "clean"):
        assert f"make {target} " in done.stdout


def test_every_requirement_is_pinned_within_its_bound() -> None:
    lines = (CHECKOUT / "constraints.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    ini = settings()
    asked = ini["options"]["install_requires"] + ini["options.extras_require"]["test"]
    for requirement in asked.split():
        name, least = requirement.split(">=")
        assert numbers(pins[name]) >= numbers(least), requirement


def numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]


def test_every_room_has_its_place_in_the_layers() -> None:
    layers = settings()["importlinter:contract:rooms"]["layers"]
    placed = set(re.findall(r"minidock\.(\w+)", layers))
    package = CHECKOUT / "minidock"
    rooms = {path.stem for path in package.iterdir() if (path / "__init__.py").exists() or path.suffix == ".py"}
    assert rooms - placed == {"__init__", "__main__"}


def test_a_package_holds_the_recipes_the_data_and_the_types(tmp_path: Path) -> None:
    # A copy, since setuptools builds inside the source tree.
    unwanted = shutil.ignore_patterns(".git", ".venv", "*.egg-info", "__pycache__", ".*_cache")
    shutil.copytree(CHECKOUT, tmp_path / "source", ignore=unwanted)
    shutil.rmtree(tmp_path / "source" / "build", ignore_errors=True)  # setuptools' own; minidock/build is ours
    pip = [sys.executable, "-m", "pip", "wheel", "-qq", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "-w", str(tmp_path), str(tmp_path / "source")], check=True, timeout=120)
    wheel = zipfile.ZipFile(next(tmp_path.glob("*.whl")))
    names = set(wheel.namelist())
    inside = {name.split(".data/data/")[-1] for name in names}
    assert {"minidock/py.typed", "share/man/man1/minidock.1", "share/man/man1/minidock-network-create.1"} <= inside
    for path in (CHECKOUT / "minidock").rglob("*"):
        if path.suffix in (".py", ".json"):
            assert str(path.relative_to(CHECKOUT)) in inside
    for pattern in ("*.py", "alpine/*.py", "busybox/*.py"):
        for path in (CHECKOUT / "rootfs").glob(pattern):
            assert f"share/minidock/{path.relative_to(CHECKOUT)}" in inside
    for path in (CHECKOUT / "course").rglob("*"):
        assert path.is_dir() or f"share/minidock/{path.relative_to(CHECKOUT)}" in inside
    # Debian's pip puts such data below /usr/local, where systemd looks.
    wheel.extractall(tmp_path / "wheel")
    (data,) = (tmp_path / "wheel").glob("*.data/data")
    shutil.copytree(data, tmp_path / "host" / "usr" / "local")
    assert enabled(tmp_path / "host") == {"minidock"}
    assert (tmp_path / "host/usr/local/lib/systemd/system/minidock-shutdown.service").exists()


def enabled(host: Path) -> set[str]:
    """What each enabled unit starts, after `systemctl enable minidock` on a host whose root directory is `host`."""
    done = run("systemctl", f"--root={host}", "enable", "minidock")
    assert done.returncode == 0, done.stderr
    wanted = list((host / "etc/systemd/system/multi-user.target.wants").iterdir())
    texts = [Path(f"{host}{link.readlink()}").read_text() for link in wanted]
    return {match for text in texts for match in re.findall(r"^ExecStart=(\S+)", text, re.MULTILINE)}


@pytest.mark.slow
def test_what_is_installed_runs_is_enabled_and_goes(tmp_path: Path, outside: list[str]) -> None:
    prefix = tmp_path / "usr" / "local"
    done = make("install", f"PREFIX={prefix}", outside=outside)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert run(f"{prefix}/bin/minidock", "--version").stdout.startswith("minidock version ")
    assert (prefix / "bin/minidock").read_text().splitlines()[0].endswith("/bin/python -IS")  # cli/launcher.py
    assert enabled(tmp_path) == {f"{prefix}/bin/minidock"}
    assert (prefix / "share/man/man1/minidock-run.1").read_text().startswith(".TH")
    state = f"MINIDOCK_ROOT={tmp_path}/root"
    shown = run("env", state, f"{prefix}/bin/minidock", "run", "--rm", "--network", "none", "busybox", "echo", "hello")
    assert (shown.returncode, shown.stdout) == (0, "hello\n"), shown.stderr  # the recipes are there
    done = run("env", state, "make", "--no-print-directory", "uninstall", f"PREFIX={prefix}", cwd=str(CHECKOUT))
    assert done.returncode == 0, done.stderr
    assert [path for path in prefix.rglob("*") if not path.is_dir()] == []
