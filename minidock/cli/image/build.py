"""`minidock build`: an image from a Dockerfile (book, chapter 3)."""

from __future__ import annotations

from typing import Any

from minidock.cli import usage
from minidock.cli.echo import echo
from minidock.cli.flags.common import CONTEXT, check_root, flag, list_option
from minidock.cli.flags.entity_names import DIRECTORY, FILE
from minidock.cli.flags.size import Size
from minidock.engine.state_paths import Paths

_WHAT = [
    list_option("--tag", "Name of the image.", "NAME[:TAG]", "-t"),
    usage.option("-f", "--file", default="", metavar="FILE|URL|-", type=FILE,
                 help="The Dockerfile [PATH/Dockerfile]; -: stdin."),
    list_option("--build-arg", "Value of an ARG, or the caller's variable.", "NAME[=VALUE]"),
    list_option("--build-context", "Another context: files or an image.",
                "NAME=PATH|docker-image://IMAGE|oci-layout://PATH|URL"),
    usage.option("--target", default="", metavar="STAGE", help="The stage to build [the last]."),
    usage.option("--platform", default="", metavar="OS/ARCH[/VARIANT]", help="Platform of the image."),
    list_option("--label", "Set a label.", "KEY=VALUE"),
    list_option("--annotation", "Set an annotation of the image's manifest.", "KEY=VALUE"),
    list_option("--secret", "A secret for RUN --mount=type=secret.", "id=ID[,src=FILE|,env=NAME]"),
    list_option("--ssh", "An agent's socket for RUN --mount=type=ssh.", "default|ID[=SOCKET]"),
]  # fmt: skip
_CACHE = [
    flag("--no-cache", "Do every step again."),
    list_option("--no-cache-filter", "Do the steps of these stages again.", "STAGE"),
    flag("--pull", "Ask the registry for the base images, whatever is here."),
    list_option("--cache-from", "Take steps from there, too.", "IMAGE|type=registry,ref=|type=local,src="),
    list_option("--cache-to", "Write the cache, for others.", "type=inline|type=registry,ref=|type=local,dest="),
]
_OUTPUT = [
    list_option("--output", "What to make: an image, an archive, the files alone in a directory.",
                "DIRECTORY|-|type=image|registry|docker|oci|tar|local|cacheonly[,dest=]", "-o"),
    flag("--push", "Publish the image: -o type=registry."),
    flag("--load", "Have the image here, which is so anyway: -o type=docker."),
    usage.option("--iidfile", default="", metavar="FILE", help="Write the image's id to a file."),
    usage.option("--metadata-file", default="", metavar="FILE", help="Write what was made to a file, as JSON."),
    usage.option("--progress", type=usage.Choice(["auto", "plain", "tty", "quiet", "rawjson"]), default="auto",
                 envvar="BUILDKIT_PROGRESS", help="How to tell it."),
    flag("-q --quiet", "Print nothing but the image's id."),
    usage.option("--explain", is_flag=True, envvar="MINIDOCK_EXPLAIN",
                 help="Tell what each line did, and what it needs."),
    flag("--check", "Only check the Dockerfile for known mistakes; exit code 1 if there are any."),
    usage.option("--call", type=usage.Choice(["build", "check", "lint"]), default="build", hidden=True),
    usage.option("--on-failure", type=usage.Choice(["end", "shell"]), default="end",
                 help="When a RUN fails: end, or open a shell in the state just before it."),
]  # fmt: skip
_RUN = [
    usage.option("--network", default="default", metavar="default|none|host", help="Network of the RUN steps."),
    list_option("--add-host", "A line for /etc/hosts in RUN steps.", "NAME:ADDRESS"),
    list_option("--allow", "Allow RUN --security=insecure.", "security.insecure|network.host"),
    usage.option("-m", "--memory", type=Size(), help="Memory limit of each RUN step."),
    usage.option("--memory-swap", type=Size(unlimited=True), help="Memory and swap together; -1: unlimited."),
    usage.option("--cpu-period", type=int, help="Microseconds after which --cpu-quota begins anew [100000]."),
    usage.option("--cpu-quota", type=int, help="Microseconds of processor time in a period."),
    usage.option("-c", "--cpu-shares", type=int, help="Relative share of processor time (1024 is normal)."),
    usage.option("--cpuset-cpus", default="", metavar="LIST", help="Processors that may be used (0-3, 0,1)."),
    usage.option("--cpuset-mems", default="", metavar="LIST", help="Memory nodes that may be used (0-3, 0,1)."),
    list_option("--ulimit", "Set a resource limit.", "NAME=SOFT[:HARD]"),
    usage.option("--shm-size", type=Size(), help="Size of /dev/shm [64m]."),
    usage.option("--cgroup-parent", default="", help="Parent control group of the RUN steps'."),
]
# What docker's users may type: answered where it matters (`build_flags.py`), without effect where it does not.
_DOCKERS = [
    usage.option("--builder", default="", hidden=True),
    usage.option("--provenance", default="", hidden=True),
    usage.option("--sbom", default="", hidden=True),
    usage.option("--attest", multiple=True, hidden=True),
    *(usage.option(f"--{name}/--no-{name}", default=False, hidden=True) for name in ("squash", "compress", "force-rm")),
    usage.option("--rm/--no-rm", default=True, hidden=True),
    usage.option("--isolation", default="", hidden=True),
    usage.option("--security-opt", multiple=True, hidden=True),
]


@usage.command(context_settings={**CONTEXT, "allow_interspersed_args": True})
@usage.argument("context", metavar="PATH|URL|-", type=DIRECTORY)
@usage.with_parameters([*_WHAT, *_CACHE, *_OUTPUT, *_RUN, *_DOCKERS])
@usage.pass_paths
def build(paths: Paths, /, **flags: Any) -> None:
    """Build an image from the Dockerfile and the files in PATH."""
    check_root()
    from minidock.build import command
    from minidock.cli.image import build_flags

    asked = build_flags.to_command(flags)
    if not flags["explain"]:
        image = command.run(paths, asked, _say)
    else:
        from minidock.build.account import Account
        from minidock.explain.build import build_explanation

        account = Account(paths.root)
        image = command.run(paths, asked, _say, account.told)
        for line in build_explanation.tell(account):
            echo(line, err=True)
    if asked.progress == "quiet" and image:
        echo(image)


def _say(key: str, **values: Any) -> str:
    """A text in the user's language; read when the first one is needed."""
    from minidock.explain.build import build_texts

    return build_texts.say(key, **values)
