"""`minidock login`: check credentials for a registry and keep them where docker keeps them."""

from __future__ import annotations

import sys

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.echo import echo
from minidock.errors import UsageError


@usage.command(context_settings=HELP)
@usage.option("-u", "--username", help="The user's name.")
@usage.option("-p", "--password", help="The password, for all to see in the list of processes.")
@usage.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@usage.argument("server", required=False)
def login(username: str | None, password: str | None, password_stdin: bool, server: str | None) -> None:
    """Log in to a registry (Docker Hub if none is named), and keep the credentials where docker does."""
    from minidock.engine.images import login
    from minidock.engine.images.progress_display import progress_on

    registry = login.registry_of(server)
    if password is not None:
        if password_stdin:
            raise UsageError("--password and --password-stdin are mutually exclusive")
        echo("WARNING! Using --password via the CLI is insecure. Use --password-stdin.", err=True)
    if password_stdin:
        if not username:
            raise UsageError("the --password-stdin option requires --username to be set")
        password = sys.stdin.read().rstrip("\r\n")
    done = None
    if username is None and password is None:
        done = login.login_again(registry, progress_on(sys.stderr))
    if done is None:
        done = login.login(registry, *_asked(username, password))
    if done.plain_file:
        echo(
            f"\nWARNING! Your credentials are stored unencrypted in '{done.plain_file}'.\n"
            "Configure a credential helper to remove this warning. See\n"
            "https://docs.docker.com/go/credential-store/\n",
            err=True,
        )
    echo("Login Succeeded")


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
