"""`minidock build`: what each instruction makes of an image, looked at with inspect, history and run."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest

from tests.build.conftest import Context
from tests.support.command import Minidock


def test_the_instructions_that_change_the_configuration(context: Context) -> None:
    context.built(
        """
        FROM alpine
        MAINTAINER somebody
        ARG who=world
        ENV GREETING="hello $who" OTHER=x
        ENV old form
        LABEL a=1 "b c"="d e"
        EXPOSE 80 90-91/udp
        VOLUME ["/data", "/more"]
        USER 12:34
        WORKDIR /srv
        WORKDIR app
        STOPSIGNAL SIGUSR1
        HEALTHCHECK --interval=5s --retries=2 CMD test -e /up
        SHELL ["/bin/sh", "-ec"]
        ONBUILD RUN echo later
        ENTRYPOINT echo entry
        CMD ["one", "two"]
        """
    )
    found = context.config()
    config = found["Config"]
    assert found["Author"] == "somebody"
    assert [row for row in config["Env"] if not row.startswith("PATH=")] == [
        "GREETING=hello world", "OTHER=x", "old=form",
    ]  # fmt: skip
    assert config["Labels"] == {"a": "1", "b c": "d e"}
    assert sorted(config["ExposedPorts"]) == ["80/tcp", "90/udp", "91/udp"]
    assert sorted(config["Volumes"]) == ["/data", "/more"]
    assert (config["User"], config["WorkingDir"], config["StopSignal"]) == ("12:34", "/srv/app", "SIGUSR1")
    assert config["Healthcheck"] == {"Test": ["CMD-SHELL", "test -e /up"], "Interval": 5_000_000_000, "Retries": 2}
    assert (config["Shell"], config["OnBuild"]) == (["/bin/sh", "-ec"], ["RUN echo later"])
    assert (config["Entrypoint"], config["Cmd"]) == (["/bin/sh", "-ec", "echo entry"], ["one", "two"])
    assert [row for row in context.history() if row][-15:] == [
        "MAINTAINER somebody", "ARG who=world", "ENV GREETING=hello world OTHER=x", "ENV old=form",
        "LABEL a=1 b c=d e", "EXPOSE [80/tcp 90/udp 91/udp]", "VOLUME [/data /more]", "USER 12:34", "WORKDIR /srv",
        "WORKDIR /srv/app", "STOPSIGNAL SIGUSR1",
        "HEALTHCHECK {Test:[CMD-SHELL test -e /up] Interval:5s Timeout:0s StartPeriod:0s StartInterval:0s Retries:2}",
        "SHELL [/bin/sh -ec]", 'ENTRYPOINT ["/bin/sh" "-ec" "echo entry"]', 'CMD ["one" "two"]',
    ]  # fmt: skip


def test_run_makes_a_layer_of_what_its_command_changes(context: Context) -> None:
    context.built(
        r"""
        FROM alpine
        RUN echo made > /made && ln /made /linked && ln -s made /soft && mkdir -m 1770 /dir && chown 5:6 /dir \
            && rm /etc/motd && rm -r /var/cache && mkdir /var/cache
        RUN ["/bin/busybox", "touch", "/exec form"]
        """
    )
    found = context.run(
        "cat /made; stat -c '%h %i' /made /linked; readlink /soft; stat -c '%a %u:%g' /dir; ls /etc/motd; "
        "ls -A /var/cache; ls '/exec form'; true"
    ).splitlines()
    assert found[0] == "made"
    assert found[1] == found[2]
    assert found[1].startswith("2 ")
    assert found[3:] == ["made", "1770 5:6", "/exec form"]
    assert len(context.config()["RootFS"]["Layers"]) == 3
    assert context.history()[-1] == "RUN /bin/busybox touch /exec form # buildkit"


def test_onbuild_runs_in_the_next_build(context: Context) -> None:
    context.built("FROM alpine\nONBUILD COPY mark /mark\nONBUILD ENV from=onbuild\n")
    base = f"{context.name}-base"
    context.minidock("tag", context.name, base)
    context.write("mark", "marked")
    told = context.built(f'FROM {base}\nCMD ["sh"]\n')
    assert context.run("cat /mark; echo $from") == "markedonbuild\n"
    assert not context.config()["Config"].get("OnBuild")
    assert "COPY mark /mark" in told
    context.minidock("rmi", base)


COPIES = [
    ("COPY a /x", "/x"),
    ("COPY a b /x/", "/x/ /x/a /x/b"),
    ("COPY d /x", "/x/ /x/in /x/sub/ /x/sub/deep"),
    ("COPY d/ /x/y/", "/x/ /x/y/ /x/y/in /x/y/sub/ /x/y/sub/deep"),
    ("COPY *.txt /x/", "/x/ /x/1.txt /x/2.txt"),
    ("COPY [\"with space\", \"/x/\"]", "/x/ /x/with space"),
    ("COPY --exclude=sub --exclude=*.txt . /x/", "/x/ /x/Dockerfile /x/a /x/b /x/d/ /x/d/in /x/d/sub/ "
     "/x/d/sub/deep /x/with space"),
    ("COPY --parents d/sub/deep a /x/", "/x/ /x/a /x/d/ /x/d/sub/ /x/d/sub/deep"),
    ("COPY <<one <<two /x/\n1\none\n2\ntwo", "/x/ /x/one /x/two"),
    ("WORKDIR /x\nCOPY a ./", "/x/ /x/a"),
    ("WORKDIR /x\nENV empty=\nCOPY --link a $empty", "/x/ /x/a"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "expected"), COPIES, ids=[line for line, _ in COPIES])
def test_copy(context: Context, tmp_path: Path, line: str, expected: str) -> None:
    for name in ("a", "b", "1.txt", "2.txt", "d/in", "d/sub/deep", "with space"):
        context.write(name, name)
    context.built(f"FROM scratch\n{line}\n")
    assert archive_names(context, tmp_path) == expected


def archive_names(context: Context, tmp_path: Path) -> str:
    """All that is in the image's layers, directories with a slash."""
    import io
    import tarfile

    found = []
    with tarfile.open(fileobj=io.BytesIO(context.minidock("save", context.name).stdout)) as archive:
        manifest = json.load(archive.extractfile("manifest.json"))[0]  # type: ignore[arg-type]
        for layer in manifest["Layers"]:
            with tarfile.open(fileobj=archive.extractfile(layer)) as files:
                found += [f"/{entry.name.strip('/')}{'/' * entry.isdir()}" for entry in files]
    return " ".join(sorted(set(found)))


def test_owners_and_modes_of_copies(context: Context) -> None:
    context.write("a", "a").chmod(0o640)
    context.write("d/f", "f").chmod(0o600)
    context.built(
        """
        FROM alpine
        COPY a /plain
        COPY --chown=games:7 a /owned
        COPY --chmod=4755 a /octal
        COPY --chmod=u=rwX,go=rX d /d
        COPY --link --chown=1000 a /linked/a
        """
    )
    games = context.run("grep ^games: /etc/passwd | cut -d: -f3").strip()
    assert context.run("stat -c '%n %a %u:%g' /plain /owned /octal /d/f /linked/a").splitlines() == [
        "/plain 640 0:0", f"/owned 640 {games}:7", "/octal 4755 0:0", "/d/f 644 0:0", "/linked/a 640 1000:1000",
    ]  # fmt: skip


def test_directories_that_are_there_stay_what_they_are(context: Context) -> None:
    """Whatever is put into them: a layer's directory hides the owner and the mode of the one below it."""
    import io
    import tarfile

    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("own/empty"))
    context.write("archive.tar", data.getvalue())
    context.write("d/f", "f")
    context.built(
        "FROM alpine\nRUN mkdir -m 0700 /own && chown 5:6 /own && mkdir -m 2750 /own/sub && chown 7:8 /own/sub\n"
        "COPY d/f /tmp/\nCOPY d /own\nCOPY --chown=9 d /own/sub/\nCOPY <<EOF /own/sub/text\nx\nEOF\n"
        "ADD archive.tar /\nWORKDIR /own/sub\nWORKDIR new\n"
    )
    seen = context.run("stat -c '%a %u:%g' /tmp /own /own/sub /own/sub/new; ls /own /own/sub | sort -u").split("\n")
    assert seen[:4] == ["1777 0:0", "700 5:6", "2750 7:8", "755 0:0"]
    assert "".join(seen[4:]) == "/own/sub:/own:emptyfnewsubtext"


def test_dockerignore(context: Context, tmp_path: Path) -> None:
    for name in ("keep", "drop.log", "logs/a.log", "logs/keep.log", "deep/er/x.tmp"):
        context.write(name)
    context.write(".dockerignore", "# comment\n*.log\n**/*.tmp\nlogs\n!logs/keep.log\nDockerfile\n.dockerignore\n")
    context.built("FROM scratch\nCOPY . /\n")
    assert archive_names(context, tmp_path) == "/deep/ /deep/er/ /keep /logs/ /logs/keep.log"
    assert ".dockerignore leaves it out" in context.refused("FROM scratch\nCOPY drop.log /\n")
    context.write("Dockerfile.dockerignore", "*\n!drop.log\n")
    context.built("FROM scratch\nCOPY . /\n")
    assert archive_names(context, tmp_path) == "/drop.log"


def test_add_unpacks_archives_and_copies_all_else(context: Context, tmp_path: Path) -> None:
    import io
    import tarfile

    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        entry = tarfile.TarInfo("inside/file")
        entry.size, entry.uid, entry.mtime = 3, 77, 1_000_000
        archive.addfile(entry, io.BytesIO(b"abc"))
    context.write("some.tgz", data.getvalue())
    context.write("plain", "x")
    context.built("FROM alpine\nADD some.tgz /at\nCOPY some.tgz plain /whole/\nADD plain /added\n")
    assert context.run("cat /at/inside/file; stat -c ' %u %Y' /at/inside/file; ls /whole; cat /added").split() == [
        "abc", "77", "1000000", "plain", "some.tgz", "x",
    ]  # fmt: skip


def test_copies_from_stages_and_images_and_contexts(context: Context, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "file").write_text("named\n")
    told = context.built(
        """
        FROM alpine AS first
        RUN echo one > /one
        FROM first AS second
        RUN echo two > /two
        FROM alpine AS never
        RUN false
        FROM scratch
        COPY --from=second /one /two /
        COPY --from=0 /one /again
        COPY --from=alpine /etc/alpine-release /release
        COPY --from=more file /file
        """,
        "--build-context", f"more={other}",
    )  # fmt: skip
    assert archive_names(context, tmp_path) == "/again /file /one /release /two"
    assert "never" not in told
    assert "[first 1/2] FROM alpine" in told
    assert "[second 1/1] RUN echo two > /two" in told
    assert "[stage-3 4/4] COPY --from=more file /file" in told


def test_arguments(context: Context) -> None:
    dockerfile = """
        ARG BASE=alpine
        ARG outer=global
        FROM ${BASE}
        ARG outer
        ARG given=default
        ARG unset
        ENV kept=${given:-none}
        RUN echo "$outer $given ${unset-no} $TARGETARCH" > /args
        ARG TARGETARCH
        RUN echo "$TARGETARCH" > /arch
        """
    context.built(dockerfile, "--build-arg", "given=changed", "--build-arg", "unset")
    assert context.run("cat /args; echo $kept $given; test -s /arch && echo arch").splitlines() == [
        "global changed no ", "changed", "arch",
    ]  # fmt: skip
    context.built(dockerfile, "--build-arg", "unset", env={"unset": "from the caller"})
    assert context.run("cat /args") == "global default from the caller \n"
    assert any(row.startswith("RUN |3 outer=global given=default unset=from the caller") for row in context.history())


def test_the_environment_of_a_run(context: Context) -> None:
    """The same on every machine; proxies by both names, in no history, and no reason to build again."""
    dockerfile = "FROM alpine\nENV A=a\nARG B=b\nRUN env | grep -v PWD | sort > /env; hostname > /host\n"
    context.built(dockerfile, "--build-arg", "http_proxy=p", "--build-arg", "NO_PROXY=n")
    assert context.run("cat /env /host").split() == [
        "A=a", "B=b", "HOME=/root", "HTTP_PROXY=p", "NO_PROXY=n",
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "SHLVL=1", "http_proxy=p", "no_proxy=n",
        "buildkitsandbox",
    ]  # fmt: skip
    assert context.history()[-1].startswith("RUN |1 B=b /bin/sh")
    assert "CACHED" in context.built(dockerfile, "--build-arg", "http_proxy=other")
    context.built(dockerfile, "--build-arg", "BUILDKIT_SANDBOX_HOSTNAME=named")
    assert context.run("cat /host") == "named\n"


def test_here_documents(context: Context) -> None:
    context.built(
        "FROM alpine\nARG name=value\nRUN <<EOF\necho first > /a\necho second >> /a\nEOF\n"
        'RUN <<EOF\n#!/bin/busybox ash\necho "$0" > /interpreter\nEOF\n'
        'RUN cat <<one > /b && cat <<"two" >> /b\n$name\none\n$name\ntwo\n'
        'COPY <<file <<-"raw" /c/\n${name}\nfile\n\t${name}\nraw\n'
    )
    assert context.run("cat /a /b; head /c/*").splitlines() == [
        "first", "second", "value", "$name", "==> /c/file <==", "value", "", "==> /c/raw <==", "${name}",
    ]  # fmt: skip


def test_mounts_of_run(context: Context) -> None:
    context.write("bound", "from the context")
    told = context.built(
        """
        FROM alpine AS other
        RUN echo other > /other
        FROM alpine
        RUN --mount=type=bind,target=/ctx cp /ctx/bound /1 && ! touch /ctx/x
        RUN --mount=type=bind,from=other,source=/other,target=/o cp /o /2
        RUN --mount=type=bind,target=/ctx,rw touch /ctx/new && ls /ctx > /3
        RUN --mount=type=tmpfs,target=/t,size=1m mount | grep ' /t ' > /4 && echo 'exit 0' > /t/lost \
            && chmod +x /t/lost && /t/lost
        RUN --mount=type=cache,target=/cache echo run >> /cache/log && cp /cache/log /5
        RUN --mount=type=cache,target=/cache echo run >> /cache/log && cp /cache/log /5
        """
    )
    assert "ERROR" not in told
    assert context.run("cat /1 /2; cat /3; grep -c tmpfs /4; wc -l < /5; ls -d /ctx /t /cache || true").split() == [
        "from", "the", "contextother", "Dockerfile", "bound", "new", "1", "2",
    ]  # fmt: skip
    assert not (context.path / "new").exists()


def test_a_secret_is_nowhere_but_in_its_command(context: Context, engine: Minidock) -> None:
    file = context.path.parent / "secret"
    file.write_text("s3cr3t-file")
    context.built(
        """
        FROM alpine
        RUN --mount=type=secret,id=f,uid=7,mode=0440 stat -c '%u %a' /run/secrets/f > /1 && wc -c < /run/secrets/f > /2
        RUN --mount=type=secret,id=e,env=TOKEN echo ${#TOKEN} > /3
        RUN --mount=type=secret,id=none test ! -e /run/secrets/none
        """,
        "--secret", f"id=f,src={file}", "--secret", "id=e,env=SOURCE", env={"SOURCE": "s3cr3t-env"},
    )  # fmt: skip
    assert context.run("cat /1 /2 /3; ls -A /run/secrets 2> /dev/null; echo ${TOKEN-unset}").split() == [
        "7", "440", "11", "10", "unset",
    ]  # fmt: skip
    assert not [path for path in engine.root.rglob("*") if path.is_file() and b"s3cr3t" in path.read_bytes()]
    missing = context.refused("FROM alpine\nRUN --mount=type=secret,id=x,required cat /run/secrets/x\n")
    assert missing.endswith("secret x: not found")


def test_an_agent_is_there_for_its_command_only(context: Context) -> None:
    import socket

    path = context.path.parent / "agent"
    with socket.socket(socket.AF_UNIX) as agent:
        agent.bind(str(path))
        context.built(
            "FROM alpine\nRUN --mount=type=ssh test -S $SSH_AUTH_SOCK && echo $SSH_AUTH_SOCK > /1\n"
            "RUN echo ${SSH_AUTH_SOCK-unset} > /2\n",
            "--ssh", "default", env={"SSH_AUTH_SOCK": str(path)},
        )  # fmt: skip
    assert context.run("cat /1 /2; ls -A /run | grep buildkit; true").split() == ["/run/buildkit/ssh_agent.0", "unset"]


def test_target_labels_iidfile_and_quiet(context: Context, tmp_path: Path) -> None:
    file = tmp_path / "iid"
    dockerfile = "FROM alpine AS one\nENV stage=one\nFROM one AS two\nENV stage=two\n"
    done = context.build(dockerfile, "--target", "one", "--label", "l=1", "--iidfile", str(file), "-q")
    config = context.config()
    assert (done.returncode, done.stderr, done.stdout.decode().strip()) == (0, b"", config["Id"])
    assert file.read_text() == config["Id"]
    assert config["Config"]["Labels"] == {"l": "1"}
    assert "stage=one" in config["Config"]["Env"]
    context.built(dockerfile, "--target", "1")
    assert "stage=two" in context.config()["Config"]["Env"]
    told = context.refused(dockerfile, "--target", "three")
    assert told == 'failed to solve: target stage "three" could not be found'


def test_a_dockerfile_from_elsewhere(context: Context, engine: Minidock) -> None:
    context.write("sub/Other", "FROM alpine\nCOPY f /f\n")
    context.write("f", "file")
    done = engine("build", "-t", context.name, "-f", str(context.path / "sub/Other"), str(context.path))
    assert done.returncode == 0, done.stderr
    assert context.run("cat /f") == "file"
    done = engine("build", "-t", context.name, "-", input=b"FROM alpine\nENV typed=yes\n")
    assert done.returncode == 0, done.stderr
    assert "typed=yes" in context.config()["Config"]["Env"]
    done = engine("build", "-t", context.name, "-f", "-", str(context.path), input=b"FROM alpine\nCOPY f /g\n")
    assert done.returncode == 0, done.stderr
    assert context.run("cat /g") == "file"


def test_stages_that_do_not_need_each_other_are_built_at_the_same_time(context: Context) -> None:
    """Each waits for the other over a cache mount: one after the other they would never end."""
    wait = "i=0; while [ ! -e /c/{1} ] && [ $i -lt 300 ]; do i=$((i+1)); sleep 0.1; done"
    script = f"touch /c/{{0}}; {wait}; test -e /c/{{1}}"
    lines = [
        f"FROM alpine AS {own}\nRUN --mount=type=cache,id={context.name},target=/c {script.format(own, other)}"
        for own, other in (("left", "right"), ("right", "left"))
    ]
    lines.append("FROM scratch\nCOPY --from=left /etc/hostname /l\nCOPY --from=right /etc/hostname /r\n")
    context.built("\n".join(lines))


def test_a_failing_command(context: Context) -> None:
    done = context.build("FROM alpine\nRUN echo before; echo problem >&2; exit 7\nRUN echo never\n")
    lines = done.stderr.decode().splitlines()
    assert done.returncode == 1
    assert any(re.fullmatch(r"#\d+ [\d.]+ problem", line) for line in lines)
    assert not any(re.fullmatch(r"#\d+ [\d.]+ never", line) for line in lines)
    assert 'process "/bin/sh -c echo before; echo problem >&2; exit 7" did not complete' in lines[-1]
    assert lines[-1].endswith("exit code: 7")
    assert context.minidock("image", "inspect", context.name).returncode == 1


def test_the_same_input_gives_the_same_bytes(context: Context) -> None:
    dockerfile = "FROM alpine\nCOPY f /d/f\nENV a=b\n"
    context.write("f", "x")
    ids = []
    for _ in range(2):
        context.built(dockerfile, "--no-cache", env={"SOURCE_DATE_EPOCH": "1000000000"})
        ids.append(context.config()["Id"])
        time.sleep(0.01)
    assert ids[0] == ids[1]
    assert context.config()["Created"].startswith("2001-09-09T01:46:40")


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz", "w:bz2"])
def test_a_context_that_is_an_archive_on_standard_input(context: Context, engine: Minidock, mode: str) -> None:
    import io
    import tarfile

    data = io.BytesIO()
    files = {"Dockerfile": "FROM scratch\nCOPY . /\n", "sub/f": "file", ".dockerignore": "Dockerfile\n.dockerignore\n",
             "link": ""}  # fmt: skip
    with tarfile.open(fileobj=data, mode=mode) as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            if name == "link":
                entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(entry, io.BytesIO(text.encode()))
    done = engine("build", "-t", context.name, "-", input=data.getvalue())
    assert done.returncode == 0, done.stderr
    assert archive_names(context, context.path) == "/link /sub/ /sub/f"
    cut = engine("build", "-t", context.name, "-", input=data.getvalue()[: 600 if mode == "w" else 60])
    assert (cut.returncode, cut.stderr.count(b"\n")) == (1, 1), cut.stderr


def test_a_shell_where_a_run_fails(context: Context) -> None:
    """In the state before it, with its variables, mounts and secrets; on a terminal it has that terminal."""
    dockerfile = (
        "FROM alpine\nENV one=1\nARG two=2\nRUN echo first > /first\n"
        "RUN --mount=type=secret,id=s,env=TOKEN --mount=type=tmpfs,target=/t echo bad > /bad; exit 3\n"
    )
    script = "cat /first; ls /bad; echo $one $two $TOKEN; mount | grep -c ' /t '; echo more > /first; exit 9\n"
    words = ("--on-failure", "shell", "--secret", "id=s,env=SECRET")
    for _ in range(2):  # what was changed is gone
        done = context.build(dockerfile, *words, input=script.encode(), env={"SECRET": "s3cr3t"})
        assert (done.returncode, done.stdout.decode().splitlines()) == (1, ["first", "1 2 s3cr3t", "1"])
        assert "exit code: 3" in done.stderr.decode().splitlines()[-1]
    assert "reads standard input" in context.refused(dockerfile, "--on-failure", "shell", "-f", "-")
