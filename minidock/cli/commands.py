"""All commands, in one table; each one's module is imported only when it is the one that was typed.

Docker has most commands twice: by noun (`image rm`) and, for what is typed most, without it (`rmi`). So do we.
"""

from __future__ import annotations

import importlib

import click

from minidock.cli import explaining
from minidock.cli.words import understood
from minidock.errors import EXIT_ENGINE, UsageError

HELP = {"help_option_names": ["-h", "--help"]}

# name: (module in minidock/cli, attribute, the one line that --help shows)
Table = dict[str, tuple[str, str, str]]

CONTAINER: Table = {
    "attach": ("life", "attach", "Attach to a running container's input and output"),
    "commit": ("changes", "commit", "Make an image of what a container has changed"),
    "cp": ("cp", "cp", "Copy files between a container and the host"),
    "create": ("create", "create", "Create a container without starting it"),
    "diff": ("changes", "diff", "Show what a container has changed"),
    "exec": ("exec", "exec_command", "Run a command in a container that runs"),
    "export": ("changes", "export", "Write a container's files to a tar archive"),
    "inspect": ("inspect", "container_inspect", "Show everything about containers, as JSON"),
    "kill": ("life", "kill", "Send containers a signal, SIGKILL unless told otherwise"),
    "logs": ("logs", "logs", "Show what a container has printed"),
    "ls": ("ps", "ps", "List containers"),
    "pause": ("life", "pause", "Freeze all processes of containers"),
    "port": ("port", "port", "Show where on this host a container's ports are"),
    "rename": ("life", "rename", "Give a container another name"),
    "restart": ("life", "restart", "Stop containers, and start them again"),
    "prune": ("prune", "containers", "Remove all containers that do not run"),
    "rm": ("container", "rm", "Remove one or more containers"),
    "run": ("run", "run", "Create and run a new container from an image"),
    "stats": ("stats", "stats", "Show what containers use, again and again"),
    "start": ("life", "start", "Start containers that are created or have ended"),
    "stop": ("life", "stop", "Stop containers"),
    "unpause": ("life", "unpause", "Let paused containers go on"),
    "wait": ("life", "wait", "Wait until containers have ended, and print their exit codes"),
    "top": ("top", "top", "Show the processes of a container"),
    "xray": ("xray", "xray", "Show what a container is, as the kernel sees it"),
    "update": ("update", "update", "Change the limits and the restart policy of containers"),
}
IMAGE: Table = {
    "build": ("build", "build", "Build an image from a Dockerfile"),
    "history": ("image", "history", "Show how an image was made"),
    "import": ("image", "import_command", "Make an image from a tarball of a file system"),
    "inspect": ("inspect", "image_inspect", "Show everything about images, as JSON"),
    "layers": ("layers", "layers", "Show what each layer of an image adds, changes and hides"),
    "load": ("image_archive", "load", "Load images from an archive"),
    "ls": ("image", "images", "List images"),
    "prune": ("image_care", "prune", "Remove images that nobody needs"),
    "pull": ("registry", "pull", "Fetch an image from a registry"),
    "push": ("registry", "push", "Publish an image to a registry"),
    "rm": ("image", "rmi", "Remove one or more images"),
    "save": ("image_archive", "save", "Save images to an archive"),
    "tag": ("image", "tag", "Give an image another name"),
}
NETWORK: Table = {
    "connect": ("network_connect", "connect", "Connect a container to a network"),
    "create": ("network", "create", "Create a network"),
    "disconnect": ("network_connect", "disconnect", "Disconnect a container from a network"),
    "inspect": ("network", "inspect", "Show everything about networks, as JSON"),
    "ls": ("network", "ls", "List networks"),
    "prune": ("network", "prune", "Remove all unused networks"),
    "reload": ("network_reload", "reload", "Write the packet filter's rules anew"),
    "rm": ("network", "rm", "Remove one or more networks"),
}
VOLUME: Table = {
    "create": ("volume", "create", "Create a volume"),
    "inspect": ("inspect", "volume_inspect", "Show everything about volumes, as JSON"),
    "ls": ("volume", "ls", "List volumes"),
    "prune": ("volume", "prune", "Remove volumes that no container has"),
    "rm": ("volume", "rm", "Remove one or more volumes"),
}
SYSTEM: Table = {
    "df": ("disk", "df", "Show what takes how much of the disk"),
    "events": ("events", "events", "Show what happens, as it happens"),
    "info": ("system", "info", "Show what this host's kernel offers, and what is missing"),
    "prune": ("prune", "system", "Remove what nobody uses"),
    "start": ("boot", "start", "Start what was running when the machine went down"),
    "stop": ("boot", "stop", "Stop all containers, until `system start`"),
}
NOUNS = {
    "container": (CONTAINER, "Manage containers"),
    "image": (IMAGE, "Manage images"),
    "network": (NETWORK, "Manage networks"),
    "volume": (VOLUME, "Manage volumes"),
    "system": (SYSTEM, "Manage minidock itself"),
}
COMMANDS: Table = {
    "run": CONTAINER["run"],
    "exec": CONTAINER["exec"],
    "create": CONTAINER["create"],
    "start": CONTAINER["start"],
    "stop": CONTAINER["stop"],
    "restart": CONTAINER["restart"],
    "kill": CONTAINER["kill"],
    "pause": CONTAINER["pause"],
    "unpause": CONTAINER["unpause"],
    "attach": CONTAINER["attach"],
    "wait": CONTAINER["wait"],
    "rename": CONTAINER["rename"],
    "cp": CONTAINER["cp"],
    "diff": CONTAINER["diff"],
    "export": CONTAINER["export"],
    "commit": CONTAINER["commit"],
    "update": CONTAINER["update"],
    "ps": CONTAINER["ls"],
    "port": CONTAINER["port"],
    "rm": CONTAINER["rm"],
    "logs": CONTAINER["logs"],
    "top": CONTAINER["top"],
    "stats": CONTAINER["stats"],
    "inspect": ("inspect", "inspect", "Show everything about things, as JSON"),
    "build": IMAGE["build"],
    "images": IMAGE["ls"],
    "pull": IMAGE["pull"],
    "push": IMAGE["push"],
    "tag": IMAGE["tag"],
    "rmi": IMAGE["rm"],
    "history": IMAGE["history"],
    "layers": IMAGE["layers"],
    "xray": CONTAINER["xray"],
    "save": IMAGE["save"],
    "load": IMAGE["load"],
    "import": IMAGE["import"],
    "login": ("registry", "login", "Log in to a registry"),
    "logout": ("registry", "logout", "Forget the credentials for a registry"),
    "search": ("registry", "search", "Search Docker Hub, or another registry, for images"),
    "events": SYSTEM["events"],
    "info": SYSTEM["info"],
    "version": ("system", "version", "Show the version"),
}
# What docker's users may look for here: the command, and what there is instead, if anything.
_ABSENT = {
    **dict.fromkeys(("builder", "buildx", "compose", "checkpoint", "config", "context", "manifest", "node", "plugin",
                     "secret", "service", "stack", "swarm", "trust"), ""),
    "volume update": "it changes the volumes of a swarm",
}  # fmt: skip
# Other names that docker has for the commands of its nouns.
_ALIASES = {"list": "ls", "ps": "ls", "remove": "rm"}


def _not_here(name: str) -> UsageError:
    why = f": {_ABSENT[name]}" if _ABSENT[name] else ""
    return UsageError(f"docker's '{name}' is not part of minidock{why}", exit_code=EXIT_ENGINE)


class Group(click.Group):
    """A noun with the commands of a table."""

    table: Table

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        cmd_name = _ALIASES.get(cmd_name, cmd_name) if self.name in NOUNS else cmd_name
        if cmd_name not in self.table:
            return None
        module, attribute, _ = self.table[cmd_name]
        command: click.Command = getattr(importlib.import_module(f"minidock.cli.{module}"), attribute)
        if explaining.has(self.name or "", cmd_name):
            explaining.declare(command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if f"{self.name} {args[0]}" in _ABSENT:
            raise _not_here(f"{self.name} {args[0]}")
        name, command, words = super().resolve_command(ctx, args)
        if command and name and explaining.has(self.name or "", name):
            words = explaining.take(command, words)
        if command and not isinstance(command, click.Group):
            words = understood(command, words)
        return name, command, words

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, row[2]) for name, row in self.table.items()] or [("(none yet)", "")])


class TopLevel(Group):
    """`minidock`: the nouns, and the commands that need none."""

    table = COMMANDS

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self.table, *NOUNS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return noun(cmd_name) if cmd_name in NOUNS else super().get_command(ctx, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] in _ABSENT:
            raise _not_here(args[0])
        if args[0] == "help":
            args = [*args[1:], "--help"]
        if args[0] == "--help":
            click.echo(ctx.get_help())
            ctx.exit()
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_commands(ctx, formatter)
        with formatter.section("Nouns, each with commands of its own"):
            formatter.write_dl([(name, help_) for name, (table, help_) in NOUNS.items() if table])


def noun(name: str) -> Group:
    """The group of commands that begin with `name`."""
    group = Group(name, help=f"{NOUNS[name][1]}.", context_settings=HELP)
    group.table = NOUNS[name][0]
    return group
