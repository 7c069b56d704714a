"""Where the files of a build come from: directories, archives, addresses of the web, git repositories, by name."""

from __future__ import annotations

import hashlib
import io
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.build.conftest import Context

DOCKERFILE = "FROM scratch\nCOPY . /\n"


def git(place: Path, *words: str) -> str:
    settings = [
        "-c",
        "user.name=n",
        "-c",
        "user.email=e@x",
        "-c",
        "commit.gpgsign=false",
        "-c",
        "protocol.file.allow=always",
    ]
    done = subprocess.run(["git", "-C", str(place), *settings, *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Two branches: `main` with a directory `sub` that is a context of its own, and `other`; a tag `v1` on main."""
    place = tmp_path / "repository"
    (place / "sub").mkdir(parents=True)
    git(place, "init", "-q", "-b", "main")
    (place / "Dockerfile").write_text(DOCKERFILE)
    (place / "sub" / "Dockerfile").write_text(DOCKERFILE)
    (place / "sub" / "script").write_text("#!/bin/sh\n")
    (place / "sub" / "script").chmod(0o755)
    git(place, "add", ".")
    git(place, "commit", "-q", "-m", "one")
    git(place, "tag", "v1")
    git(place, "checkout", "-q", "-b", "other")
    (place / "more").write_text("more")
    git(place, "add", ".")
    git(place, "commit", "-q", "-m", "two")
    git(place, "checkout", "-q", "main")
    return place


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """The address of a server for the directory `web`."""
    place = tmp_path / "web"
    place.mkdir()

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(place)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def archive(files: dict[str, str], mode: str = "w:gz") -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode=mode) as tar:  # type: ignore[call-overload]
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content.encode()))
    return data.getvalue()


def files_of(context: Context, *words: str, input: bytes = b"") -> list[str]:
    """What a build of files alone comes to."""
    done = context.minidock("build", "-o", "-", *words, input=input)
    assert done.returncode == 0, done.stderr.decode()
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
        return sorted(entry.name for entry in tar if not entry.isdir())


def test_a_git_repository(context: Context, repository: Path) -> None:
    address = f"file://{repository}"
    assert files_of(context, address) == ["Dockerfile", "sub/Dockerfile", "sub/script"]
    assert files_of(context, f"{address}#:sub") == ["Dockerfile", "script"]
    assert "more" in files_of(context, f"{address}#other")
    assert "more" not in files_of(context, f"{address}#v1")
    commit = git(repository, "rev-parse", "other")
    assert "more" in files_of(context, f"{address}#{commit}")
    kept = files_of(context, "--build-arg", "BUILDKIT_CONTEXT_KEEP_GIT_DIR=1", address)
    assert ".git/HEAD" in kept
    for fragment, why in (
        ("#none", "couldn't find remote ref none"),
        ("#:none", "No such file"),
        ("#--x", "invalid git"),
    ):
        done = context.minidock("build", address + fragment)
        assert (done.returncode, done.stderr.count(b"\n")) == (1, 1)
        assert why in done.stderr.decode()


def test_add_of_a_git_repository(context: Context, repository: Path) -> None:
    commit = git(repository, "rev-parse", "v1")
    address = f"file://{repository}"
    dockerfile = (
        f"FROM alpine\nADD --keep-git-dir=true {address}#v1 /kept\nADD --checksum={commit} {address}#v1:sub /sub\n"
    )
    context.built(dockerfile)
    assert context.run("ls /kept/.git/HEAD /kept/sub/script; ls -A /sub; stat -c '%a %u' /sub/script").split() == [
        "/kept/.git/HEAD", "/kept/sub/script", "Dockerfile", "script", "755", "0",
    ]  # fmt: skip
    assert context.built(dockerfile).count("CACHED") == 2
    told = context.refused(f"FROM scratch\nADD --checksum={'0' * 40} {address}#v1 /x\n")
    assert f"expected checksum to match {'0' * 40}, got {commit}" in told


def test_addresses_of_the_web(context: Context, tmp_path: Path, web: str) -> None:
    (tmp_path / "web" / "context.tar.gz").write_bytes(archive({"Dockerfile": DOCKERFILE, "a": "a"}))
    (tmp_path / "web" / "Dockerfile").write_text("FROM scratch\nCOPY --from=named a /b\n")
    assert files_of(context, f"{web}/context.tar.gz") == ["Dockerfile", "a"]
    assert files_of(context, "--build-context", f"named={web}/context.tar.gz", f"{web}/Dockerfile") == ["b"]
    context.write("mine")
    assert files_of(context, "-f", f"{web}/Dockerfile", "--build-context", f"named={web}/context.tar.gz",
                    str(context.path)) == ["b"]  # fmt: skip
    done = context.minidock("build", f"{web}/none")
    assert (done.returncode, done.stderr.decode()) == (1, f"minidock: {web}/none: invalid response status 404\n")


def test_add_of_an_address(context: Context, tmp_path: Path, web: str) -> None:
    content = archive({"inside": "i"})
    (tmp_path / "web" / "file.tgz").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    context.built(
        f"FROM alpine\nADD --checksum=sha256:{digest} {web}/file.tgz /at/\nADD --unpack=true {web}/file.tgz /un/\n"
        f"ADD --chmod=644 --chown=5 {web}/file.tgz /named\n"
    )
    assert context.run("stat -c '%a %u %s' /at/file.tgz /named; ls /un").split() == [
        "600", "0", str(len(content)), "644", "5", str(len(content)), "inside",
    ]  # fmt: skip
    context.write("here.tgz", archive({"also": "a"}))
    context.write("plain")
    context.built(f"FROM alpine\nADD plain {web}/file.tgz *.tgz plain /all/\n")
    assert context.run("ls /all").split() == ["also", "file.tgz", "plain"]
    for line, why in (
        (
            f"ADD --checksum=sha256:{digest} {web}/file.tgz plain /x/",
            "checksum can't be specified for multiple sources",
        ),
        (f"ADD {web}/file.tgz plain /x", "with more than one source file, the destination must be a directory"),
        (f"ADD --checksum=sha256:{'0' * 64} {web}/file.tgz /x", f"digest mismatch sha256:{digest}"),
        (f"ADD {web}/ /x/", f"cannot determine filename for source {web}/"),
        (f"ADD {web}/none /x", "invalid response status 404"),
    ):
        assert why in context.refused(f"FROM scratch\n{line}\n")


@pytest.mark.parametrize("mode", ["w:", "w:gz", "w:bz2", "w:xz"])
def test_an_archive_on_standard_input(context: Context, mode: str) -> None:
    sent = archive({"Dockerfile": "FROM none\n", "other": DOCKERFILE, "a": "a", ".dockerignore": "*\n!a\n"}, mode)
    assert files_of(context, "-f", "other", "-", input=sent) == ["a"]


def test_a_dockerfile_on_standard_input(context: Context) -> None:
    context.write("a", "a")
    context.write(".dockerignore", ".dockerignore\n")
    assert files_of(context, "-f", "-", str(context.path), input=DOCKERFILE.encode()) == ["a"]
    done = context.minidock("build", "-", input=DOCKERFILE.encode())
    assert done.returncode == 1
    assert "there is no build context" in done.stderr.decode().splitlines()[-1]


HOSTILE = {
    "above": ("../out", "leads out of it"),
    "below and above": ("a/../../out", "leads out of it"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_an_archive_that_leads_out(context: Context, case: str) -> None:
    name, why = HOSTILE[case]
    done = context.minidock("build", "-", input=archive({"Dockerfile": DOCKERFILE, name: "x"}))
    assert (done.returncode, done.stderr.count(b"\n")) == (1, 1)
    assert why in done.stderr.decode()


@pytest.mark.parametrize(
    ("file", "link"), [("Dockerfile", "{}"), ("Dockerfile", "up/../..{}"), ("{}", ""), ("..{}", "")]
)
def test_a_dockerfile_of_an_archive_is_in_it(context: Context, tmp_path: Path, file: str, link: str) -> None:
    """A file of this machine would be shown in the excerpt of the error."""
    secret = tmp_path / "secret"
    secret.write_text("PASSWORD\n")
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("a"))
        if link:
            entry = tarfile.TarInfo("Dockerfile")
            entry.type, entry.linkname = tarfile.SYMTYPE, link.format(secret)
            tar.addfile(entry)
    done = context.minidock("build", "-f", file.format(secret), "-", input=data.getvalue())
    assert (done.returncode, done.stderr.count(b"\n")) == (1, 1), done.stderr
    assert b"no such file" in done.stderr
    assert b"PASSWORD" not in done.stderr


def test_odd_entries_of_an_archive_stay_inside(context: Context, tmp_path: Path) -> None:
    """A symbolic link to the host's /, through which a later entry and a COPY would like to go; a device; .wh."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name, kind, target in (
            ("way", tarfile.SYMTYPE, "/"),
            ("node", tarfile.CHRTYPE, ""),
            ("fifo", tarfile.FIFOTYPE, ""),
        ):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname, entry.devmajor, entry.devminor = kind, target, 1, 3
            tar.addfile(entry)
        for name, content in ((f"way{tmp_path}/out", "out"), ("Dockerfile", "FROM scratch\nCOPY way/etc/hostname /x\n"),
                              (".wh.gone", "")):  # fmt: skip
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content.encode()))
    done = context.minidock("build", "-", input=data.getvalue())
    assert done.returncode == 1
    assert '"/way/etc/hostname": not found in the build context' in done.stderr.decode().splitlines()[-1]
    assert not (tmp_path / "out").exists()


def test_a_named_context_is_a_base_and_a_source(context: Context, tmp_path: Path) -> None:
    for name in ("kept", "dropped"):
        (tmp_path / "named").mkdir(exist_ok=True)
        (tmp_path / "named" / name).write_text(name)
    (tmp_path / "named" / ".dockerignore").write_text("dropped\n.dockerignore\n")
    context.write("Dockerfile", "FROM files\nCOPY --from=files kept /again\n")
    assert files_of(context, "--build-context", f"files={tmp_path}/named", str(context.path)) == ["again", "kept"]
    context.built("FROM here AS x\nENV a=b\n", "--build-context", "here=docker-image://alpine")
    assert "a=b" in context.config()["Config"]["Env"]
    told = context.refused("FROM files\n", "--build-context", f"files={tmp_path}/none")
    assert f"build context files: {tmp_path}/none is no directory" in told
