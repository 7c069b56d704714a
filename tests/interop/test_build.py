"""`build` beside docker's builder with BuildKit: the same Dockerfiles, and what became of them."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import debian13
from tests.support.command import Minidock

pytestmark = pytest.mark.interop

Files = dict[str, tuple[Any, ...]]
CASES = {
    "configuration": """
        FROM alpine
        ENV A="one two" B=$A
        ENV C ${A:-none}
        LABEL a=1 b="2 3"
        VOLUME /v
        USER 1:2
        STOPSIGNAL 9
        HEALTHCHECK --interval=5s CMD true
        CMD echo $A
        """,
    "an entry point discards an inherited command": """
        FROM alpine AS base
        CMD ["inherited"]
        FROM base
        ENTRYPOINT ["/bin/echo", "x"]
        """,
    "copies": """
        FROM alpine
        COPY a b /to/
        COPY d /dir
        COPY d/sub /sub/
        COPY *.txt /texts/
        COPY link /link
        COPY --chown=3:4 --chmod=0711 a /owned/deep/a
        COPY a /etc
        """,
    "a run's changes": """
        FROM alpine
        RUN mkdir -p /x/y && echo f > /x/y/f && ln /x/y/f /x/hard && ln -s y /x/soft && chmod 4711 /x/hard
        RUN rm -r /x/y && mkdir /x/y && rm /etc/motd && mkfifo /x/fifo && chown 9:9 /x/soft
        """,
    "stages": """
        FROM alpine AS one
        WORKDIR /made
        RUN echo 1 > 1 && echo 2 > 2
        FROM scratch AS two
        COPY --from=one /made/ /from/
        COPY --from=one /made/1 /one
        """,
    "arguments": """
        ARG base=alpine
        FROM $base
        ARG given=default
        ARG other
        RUN echo "$given ${other:-unset}" > /args
        ENV kept=$given
        """,
    "archives": """
        FROM alpine
        ADD archive.tar.gz /unpacked
        COPY archive.tar.gz /whole/
        """,
    "archives, files and directories with one ADD": """
        FROM alpine
        ADD archive.tar.gz a d/sub again.tar /all/
        ADD *.tar* /both/
        """,
    "what an archive replaces": """
        FROM alpine
        RUN mkdir -p /in/side/deep && touch /in/side/deep/file && ln -s /etc /in/way
        ADD archive.tar.gz /
        """,
    "from nothing": """
        FROM scratch
        WORKDIR /w/x
        COPY a d/in ./
        COPY --chown=7 d /w
        ENV A=b
        """,
    "over links and files": """
        FROM alpine
        RUN mkdir /real && echo old > /real/f && ln -s real/f /file && ln -s real /directory && echo x > /there
        COPY a /file
        COPY b /directory/
        COPY a /there
        COPY d /directory/d/
        """,
    "directories that are there stay what they are": """
        FROM alpine
        RUN mkdir -m 1777 /t && mkdir -p -m 0700 /o/sub && chown 5:6 /o && chown 7:8 /o/sub && chmod 750 /o/sub
        COPY a /t/
        COPY d/sub /o/sub/
        ADD archive.tar.gz /o/
        WORKDIR /o
        COPY --chown=9 b sub/more/
        RUN stat -c '%a %u %g %n' /t /o /o/sub /o/sub/more /o/in /tmp /etc > /seen
        """,
    "hard links": """
        FROM alpine AS one
        RUN mkdir /h && echo 1 > /h/a && ln /h/a /h/b && ln /h/a /h/c
        FROM alpine
        COPY --from=one /h /copied
        COPY --from=one /h/b /h/c /single/
        RUN ln /copied/a /copied/d && rm /copied/b
        """,
    "users and groups": """
        FROM alpine
        COPY --chown=games:www-data a /a
        COPY --chown=games d /d
        COPY --chown=12:13 d/sub/ /made/for/it/
        USER games:12
        WORKDIR /home/games/x
        RUN touch y && id -u > z && id -g >> z
        """,
    "working directories": """
        FROM alpine
        WORKDIR /a
        WORKDIR b/c
        ENV D=d
        WORKDIR $D
        COPY a ./
        RUN pwd > /where
        """,
    "the environment of a run": """
        FROM alpine
        ENV A=a
        ARG B=b
        RUN env | sort > /env; hostname > /host; umask > /umask; ulimit -n > /files
        USER games
        WORKDIR /owned/by
        RUN pwd > /tmp/where; env | sort > /tmp/env
        """,
    "links on the way": """
        FROM alpine
        RUN mkdir -p /real/deep && ln -s real /way && ln -s ../nowhere /real/dangling
        COPY a /way/deep/a
        COPY d /way/deep
        COPY b /real/dangling
        WORKDIR /way/deep
        COPY b ./
        """,
    "mounts": """
        FROM alpine AS other
        RUN echo other > /other
        FROM alpine
        RUN --mount=target=/mnt --mount=from=other,target=/opt cat /mnt/a /opt/other > /seen && ! touch /mnt/x
        RUN --mount=type=tmpfs,target=/srv touch /srv/lost
        RUN --mount=type=cache,target=/home,uid=5,mode=0711 stat -c '%u %a' /home > /cache; touch /home/kept
        """,
    "a shell of its own": """
        FROM alpine
        SHELL ["/bin/sh", "-exc"]
        RUN echo "$0" > /zero
        ENTRYPOINT echo entry
        CMD echo command
        ONBUILD RUN touch /later
        """,
    "ignored": """
        FROM scratch
        COPY . /
        """,
}  # fmt: skip


@pytest.fixture(scope="module")
def buildkit(
    minidock: Minidock, docker: list[str], outside: list[str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[str]]:
    """Docker, whose alpine is the very same image, and whose client builds with BuildKit."""
    archive = tmp_path_factory.mktemp("base") / "alpine.tar"
    saved = minidock("save", "-o", str(archive), "alpine")
    assert saved.returncode == 0, saved.stderr
    subprocess.run([*docker, "load", "-i", str(archive)], check=True, capture_output=True)
    environment = {**os.environ, "DOCKER_BUILDKIT": "1"}
    tried = subprocess.run([*docker, "build", "-"], input=b"FROM scratch\nENV a=b\n", env=environment,
                           capture_output=True, check=False)  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        if b"buildx component is missing" in tried.stderr:
            patch.setenv("DOCKER_CONFIG", str(debian13.buildx(outside)))
        yield docker


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("context")
    for name in ("a", "b", "1.txt", "2.txt", "d/in", "d/sub/deep", "d/ignored.log"):
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(name)
        os.utime(path / name, (1_000_000_000, 1_000_000_000))
    os.symlink("a", path / "link")
    (path / ".dockerignore").write_text("**/*.log\nDockerfile\n.dockerignore\n")
    with tarfile.open(path / "again.tar", "w") as archive:
        archive.add(path / "1.txt", "second/1.txt")
    with tarfile.open(path / "archive.tar.gz", "w:gz") as archive:
        entry = tarfile.TarInfo("in/side")
        entry.size, entry.uid, entry.mode, entry.mtime = 3, 70, 0o640, 1_000_000
        archive.addfile(entry, io.BytesIO(b"abc"))
    return path


@pytest.mark.parametrize("name", CASES)
def test_the_same_dockerfile(minidock: Minidock, buildkit: list[str], context: Path, name: str) -> None:
    text = re.sub(r"(?m)^ {8}", "", CASES[name])
    ours = built(minidock.program, minidock.environment, context, text)
    theirs = built(buildkit, {**os.environ, "DOCKER_BUILDKIT": "1"}, context, text)
    assert ours[0] == theirs[0]
    assert {path: (ours[1].get(path), theirs[1].get(path)) for path in ours[1].keys() | theirs[1].keys()
            if ours[1].get(path) != theirs[1].get(path)} == {}  # fmt: skip


def built(program: list[str], environment: dict[str, str], context: Path, text: str) -> tuple[Any, Files]:
    """(what counts of the configuration, the files) of the image that a program builds."""
    (context / "Dockerfile").write_text(text)
    done = subprocess.run(
        [*program, "build", "--build-arg", "given=changed", "-t", "case", str(context)],
        env=environment, capture_output=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    saved = subprocess.run([*program, "save", "case"], env=environment, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(saved)) as archive:
        manifest = json.load(archive.extractfile("manifest.json"))[0]  # type: ignore[arg-type]
        config = json.load(archive.extractfile(manifest["Config"]))["config"]  # type: ignore[arg-type]
        files: Files = {}
        for layer in manifest["Layers"]:
            add(files, archive.extractfile(layer).read())  # type: ignore[union-attr]
    dropped = ("Image", "Hostname", "ArgsEscaped", "OnBuild", "Domainname")
    kept = {key: value for key, value in config.items() if value and key not in dropped}
    return kept, {path: what for path, what in files.items() if path not in ("proc", "sys", "dev", "etc/resolv.conf")}


def add(files: Files, layer: bytes) -> None:
    """What a layer makes of the files below it: kind, mode, owner, target and content of each, time where it is old."""
    with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
        for entry in archive:
            path = entry.name.strip("/")
            above, _, name = path.rpartition("/")
            if name == ".wh..wh..opq":
                gone = [each for each in files if each.startswith(f"{above}/")]
            elif name.startswith(".wh."):
                hidden = f"{above}/{name[4:]}".strip("/")
                gone = [each for each in files if each == hidden or each.startswith(f"{hidden}/")]
            else:
                gone = [] if entry.isdir() else [each for each in files if each.startswith(f"{path}/")]
            for each in gone:
                del files[each]
            if name.startswith(".wh.") or not path:
                continue
            if entry.islnk():
                files[path] = files[entry.linkname.strip("/")]
                continue
            content = archive.extractfile(entry).read() if entry.isreg() else b""  # type: ignore[union-attr]
            time = int(entry.mtime) if entry.isreg() and entry.mtime < 1_500_000_000 else 0
            files[path] = (entry.type, oct(entry.mode & 0o7777), entry.uid, entry.gid, entry.linkname, content, time)
