"""`minidock build`: an image from a Dockerfile (book, chapter 3)."""

from __future__ import annotations

import os
from typing import Any

import click

from minidock.cli.flags import key_values
from minidock.cli.flags.common import CONTEXT, check_root, flag, list_option
from minidock.engine.paths import Paths
from minidock.engine.request import values
from minidock.errors import NotFoundError, UsageError

_OPTIONS = [
    list_option("--tag", "Name of the image.", "NAME[:TAG]", "-t"),
    click.option("-f", "--file", default="", metavar="FILE", help="The Dockerfile [PATH/Dockerfile]; - reads it."),
    list_option("--build-arg", "Value of an ARG, or the caller's variable.", "NAME[=VALUE]"),
    click.option("--target", default="", metavar="STAGE", help="The stage to build [the last]."),
    flag("--no-cache", "Do every step again."),
    flag("--pull", "Ask the registry for the base images, whatever is here."),
    list_option("--label", "Set a label.", "KEY=VALUE"),
    click.option("--network", default="default", metavar="default|none|host", help="Network of the RUN steps."),
    list_option("--add-host", "A line for /etc/hosts in RUN steps.", "NAME:ADDRESS"),
    list_option("--secret", "A secret for RUN --mount=type=secret.", "id=ID[,src=FILE|,env=NAME]"),
    list_option("--ssh", "An agent's socket for RUN --mount=type=ssh.", "default|ID[=SOCKET]"),
    list_option("--build-context", "Another context, a directory or an image.", "NAME=PATH|docker-image://IMAGE"),
    click.option("--platform", default="", metavar="OS/ARCH[/VARIANT]", help="Platform of the image."),
    click.option("--iidfile", default="", metavar="FILE", help="Write the image's id to a file."),
    click.option(
        "--progress", type=click.Choice(["auto", "plain", "tty", "quiet"]), default="auto", help="How to tell it."
    ),
    click.option(
        "--explain", is_flag=True, envvar="MINIDOCK_EXPLAIN", help="Tell what each line did, and what it needs."
    ),
    flag("--check", "Look for known mistakes in the Dockerfile, and build nothing."),
    flag("-q --quiet", "Print nothing but the image's id."),
]


def _with_options(command: Any) -> Any:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command(context_settings=CONTEXT)
@click.argument("context", metavar="PATH|-")
@_with_options
@click.pass_obj
def build(paths: Paths, /, **flags: Any) -> None:
    """Build an image from the Dockerfile and the files in PATH."""
    check_root()
    from minidock.build import command
    from minidock.build.account import Account
    from minidock.explain.build import story
    from minidock.explain.build.texts import say

    asked = command.Command(
        context=flags["context"],
        file=flags["file"],
        tags=list(flags["tag"]),
        build_args=list(flags["build_arg"]),
        target=flags["target"],
        no_cache=flags["no_cache"],
        pull=flags["pull"],
        labels=key_values.labels(flags["label"]),
        network=flags["network"],
        add_host=[_host(text) for text in flags["add_host"]],
        secrets=dict(map(_secret, flags["secret"])),
        ssh=dict(map(_ssh, flags["ssh"])),
        contexts=dict(map(_context, flags["build_context"])),
        platform=flags["platform"],
        quiet=flags["quiet"] or flags["progress"] == "quiet",
        progress=flags["progress"],
        check=flags["check"],
    )
    account = Account(paths.root)
    image = command.run(paths, asked, say, account)
    if flags["explain"]:
        for line in story.tell(account):
            click.echo(line, err=True)
    if flags["iidfile"]:
        with open(flags["iidfile"], "w", encoding="ascii") as file:
            file.write(image.id)
    if asked.quiet:
        click.echo(image.id)


def _host(text: str) -> tuple[str, str]:
    name, separator, address = text.partition("=") if "=" in text else text.partition(":")
    if not (name and separator and address):
        raise values.fail(f"bad format for add-host: {text!r}")
    return name, address


def _fields(text: str) -> dict[str, str]:
    return {name: value for name, _, value in (word.partition("=") for word in text.split(","))}


def _secret(text: str) -> tuple[str, bytes]:
    """--secret: the id and the content, read now and kept in memory."""
    fields = _fields(text)
    identity = fields.get("id", "")
    if not identity:
        raise UsageError(f"invalid secret {text!r}: an id is missing")
    path, name = fields.get("src") or fields.get("source"), fields.get("env")
    if fields.get("type") == "env" or (name is None and path is None and identity in os.environ):
        name = name or identity
    if name:
        if name not in os.environ:
            raise NotFoundError(f"secret {identity}: there is no environment variable {name}")
        return identity, os.environ[name].encode(errors="surrogateescape")
    try:
        with open(path or identity, "rb") as file:
            return identity, file.read()
    except OSError as error:
        raise NotFoundError(f"secret {identity}: {path or identity}: {error.strerror}") from error


def _ssh(text: str) -> tuple[str, str]:
    identity, _, socket = text.partition("=")
    path = socket or os.environ.get("SSH_AUTH_SOCK", "")
    if not path:
        raise UsageError(f"invalid ssh {text!r}: no socket is named, and SSH_AUTH_SOCK is not set")
    return identity or "default", path


def _context(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise UsageError(f"invalid build context {text!r}: expected NAME=VALUE")
    if "://" not in value and not os.path.isdir(value):
        raise NotFoundError(f"build context {name}: {value} is no directory")
    return name, value if "://" in value else os.path.abspath(value)
