"""Commands that talk to registries."""

from __future__ import annotations

import sys
from contextlib import closing
from typing import TYPE_CHECKING

import click

from minidock.cli.flags.common import PLATFORM, content_trust
from minidock.cli.format.template_values import Fields
from minidock.engine.paths import Paths
from minidock.errors import UsageError
from minidock.image.reference import DEFAULT_TAG

if TYPE_CHECKING:
    from minidock.image.reference import Reference
    from minidock.image.registry.progress import Progress
    from minidock.image.registry.search import Found

_HELP = {"help_option_names": ["-h", "--help"]}
_DESCRIPTION_WIDTH = 45


class _Found(Fields):
    go_type = "*search.searchContext"


_SEARCH_HEADERS = _Found({
    "Name": "NAME", "Description": "DESCRIPTION", "StarCount": "STARS", "IsOfficial": "OFFICIAL",
    "IsAutomated": "AUTOMATED",
})  # fmt: skip
_SEARCH_COLUMNS = "{{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}"


@click.command(context_settings=_HELP)
@click.option("-a", "--all-tags", is_flag=True, help="Pull all tags of the repository.")
@click.option("--platform", metavar="OS/ARCH[/VARIANT]", help="Pull for another machine than this one.")
@click.option("-q", "--quiet", is_flag=True, help="Show only what was pulled.")
@content_trust(exit_code=1)
@click.argument("name", metavar="NAME[:TAG|@DIGEST]")
@click.pass_obj
def pull(paths: Paths, /, all_tags: bool, platform: str | None, quiet: bool, name: str) -> None:
    """Fetch an image from a registry."""
    from minidock.cli import screen
    from minidock.engine.images import pull_push
    from minidock.engine.images.progress_display import progress_on
    from minidock.image import reference
    from minidock.image.store import Store

    wanted = reference.parse_untagged(name)
    if all_tags:
        _refuse_tag(wanted)
    with closing(progress_on(screen.canvas(), quiet=quiet)) as progress:
        if all_tags:
            pull_push.pull_all(Store(paths.root), wanted, progress, platform)
        else:
            wanted = _with_tag(wanted, progress)
            pull_push.pull(Store(paths.root), wanted, progress, platform)
    click.echo(wanted.canonical)


@click.command(context_settings=_HELP)
@click.option("-a", "--all-tags", is_flag=True, help="Push all tags of the repository.")
@click.option("-q", "--quiet", is_flag=True, help="Show only what was pushed.")
@content_trust(exit_code=1)
@PLATFORM
@click.argument("name", metavar="NAME[:TAG]")
@click.pass_obj
def push(paths: Paths, /, all_tags: bool, quiet: bool, platform: str, name: str) -> None:
    """Publish an image to a registry."""
    from minidock.cli import screen
    from minidock.engine.images import images, pull_push
    from minidock.engine.images.progress_display import progress_on
    from minidock.image import reference
    from minidock.image.store import Store

    wanted = reference.parse_untagged(name)
    if all_tags:
        _refuse_tag(wanted)
    with closing(progress_on(screen.canvas(), quiet=quiet)) as progress:
        if all_tags:
            pull_push.push_all(Store(paths.root), wanted, progress)
        else:
            wanted = _with_tag(wanted, progress)
            if platform:
                images.check_platform(Store(paths.root).resolve(str(wanted)), str(wanted), platform)
            pull_push.push(Store(paths.root), wanted, progress)
    if quiet:
        click.echo(wanted.canonical)


def _refuse_tag(name: Reference) -> None:
    if name.tag or name.digest:
        raise UsageError("tag can't be used with --all-tags/-a")


def _with_tag(name: Reference, progress: Progress) -> Reference:
    """The name with the default tag, if it has neither tag nor digest."""
    if name.tag or name.digest:
        return name
    progress.say(f"Using default tag: {DEFAULT_TAG}")
    return name._replace(tag=DEFAULT_TAG)


@click.command(context_settings=_HELP)
@click.option("-u", "--username", help="The user's name.")
@click.option("-p", "--password", help="The password, for all to see in the list of processes.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.argument("server", required=False)
def login(username: str | None, password: str | None, password_stdin: bool, server: str | None) -> None:
    """Log in to a registry (Docker Hub if none is named), and keep the credentials where docker does."""
    from minidock.engine.images import pull_push
    from minidock.engine.images.progress_display import progress_on

    registry = pull_push.registry_of(server)
    if password is not None:
        if password_stdin:
            raise UsageError("--password and --password-stdin are mutually exclusive")
        click.echo("WARNING! Using --password via the CLI is insecure. Use --password-stdin.", err=True)
    if password_stdin:
        if not username:
            raise UsageError("the --password-stdin option requires --username to be set")
        password = sys.stdin.read().rstrip("\r\n")
    done = None
    if username is None and password is None:
        done = pull_push.login_again(registry, progress_on(sys.stderr))
    if done is None:
        done = pull_push.login(registry, *_asked(username, password))
    if done.plain_file:
        click.echo(
            f"\nWARNING! Your credentials are stored unencrypted in '{done.plain_file}'.\n"
            "Configure a credential helper to remove this warning. See\n"
            "https://docs.docker.com/go/credential-store/\n",
            err=True,
        )
    click.echo("Login Succeeded")


def _asked(username: str | None, password: str | None) -> tuple[str, str]:
    """What is missing, from the terminal; the password without echo."""
    if not (username and password) and not sys.stdin.isatty():
        raise UsageError("Cannot perform an interactive login from a non TTY device: use --password-stdin")
    username = username or input("Username: ").strip()
    if not username:
        raise UsageError("username is required")
    if not password:
        from getpass import getpass

        password = getpass("Password: ")
    if not password:
        raise UsageError("password is required")
    return username, password


@click.command(context_settings=_HELP)
@click.argument("server", required=False)
def logout(server: str | None) -> None:
    """Forget the credentials for a registry (Docker Hub if none is named)."""
    from minidock.engine.images import pull_push
    from minidock.image.registry.settings import credentials_key

    registry = pull_push.registry_of(server)
    if pull_push.logout(registry):
        click.echo(f"Removing login credentials for {credentials_key(registry)}")
    else:
        click.echo(f"Not logged in to {registry}")


@click.command(context_settings=_HELP)
@click.option(
    "-f",
    "--filter",
    "filters",
    multiple=True,
    metavar="FILTER",
    help="is-official=true|false, or stars=NUMBER.",
)
@click.option("--format", "template", metavar="TEMPLATE", help="A Go template, 'table TEMPLATE', 'table' or 'json'.")
@click.option("--limit", type=click.IntRange(1, 100), default=25, help="At most so many [25].")
@click.option("--no-trunc", is_flag=True, help="Do not shorten descriptions.")
@click.argument("term")
def search(filters: tuple[str, ...], template: str | None, limit: int, no_trunc: bool, term: str) -> None:
    """Search Docker Hub for images, or another registry: registry.lan:5000/TERM."""
    from minidock.cli.format import listing
    from minidock.engine.images import pull_push

    wanted = _wanted(filters)
    rows = []
    for found in pull_push.search(term, limit):
        if found.stars >= int(wanted["stars"]) and wanted["is-official"] in (
            "",
            str(found.is_official).lower(),
        ):
            rows.append(_row(found, no_trunc))
    click.echo(listing.listing(template, rows, _SEARCH_HEADERS, _SEARCH_COLUMNS), nl=False)


def _wanted(filters: tuple[str, ...]) -> dict[str, str]:
    wanted = {"stars": "0", "is-official": ""}
    for text in filters:
        key, _, value = text.partition("=")
        if key not in wanted:
            raise UsageError(f"invalid filter '{key}'")
        if value not in ("true", "false") if key == "is-official" else not value.isdecimal():
            raise UsageError(f"invalid filter '{text}'")
        wanted[key] = value
    return wanted


def _row(found: Found, no_trunc: bool) -> dict[str, str]:
    text = found.description
    if not no_trunc and len(text) > _DESCRIPTION_WIDTH:
        text = f"{text[: _DESCRIPTION_WIDTH - 1]}…"
    official = "[OK]" if found.is_official else ""
    return {"Name": found.name, "Description": text, "StarCount": str(found.stars), "IsOfficial": official,
            "IsAutomated": ""}  # fmt: skip
