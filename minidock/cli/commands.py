"""All commands, in one table; each one's module is imported only when it is the one that was typed.

Docker has most commands twice: by noun (`image rm`) and, for what is typed most, without it (`rmi`). So do we.
"""

from __future__ import annotations

import importlib

from minidock.cli.usage import Command, option

# What comes before the command, and asks for nothing unusual; the rest is in `click_groups.py`.
ROOT = option("--root", metavar="DIRECTORY", help="Where images and containers are kept [/var/lib/minidock].")
HELP = {"help_option_names": ["-h", "--help"]}

# name: (module in minidock/cli, attribute, the one line that --help shows)
Table = dict[str, tuple[str, str, str]]

CONTAINER: Table = {
    "attach": ("container.attach", "attach", "Attach to a running container's input and output"),
    "commit": ("container.commit", "commit", "Make an image of what a container has changed"),
    "cp": ("container.cp", "cp", "Copy files between a container and the host"),
    "create": ("container.create", "create", "Create a container without starting it"),
    "diff": ("container.diff", "diff", "Show what a container has changed"),
    "exec": ("container.exec", "exec_command", "Run a command in a container that runs"),
    "export": ("container.export", "export", "Write a container's files to a tar archive"),
    "inspect": ("container.inspect", "inspect", "Show everything about containers, as JSON"),
    "kill": ("container.kill", "kill", "Send containers a signal, SIGKILL unless told otherwise"),
    "logs": ("container.logs", "logs", "Show what a container has printed"),
    "ls": ("container.ps", "ps", "List containers"),
    "pause": ("container.pause", "pause", "Freeze all processes of containers"),
    "port": ("container.port", "port", "Show where on this host a container's ports are"),
    "rename": ("container.rename", "rename", "Give a container another name"),
    "restart": ("container.restart", "restart", "Stop containers, and start them again"),
    "prune": ("container.prune", "prune", "Remove all containers that do not run"),
    "rm": ("container.rm", "rm", "Remove one or more containers"),
    "run": ("container.run", "run", "Create and run a new container from an image"),
    "stats": ("container.stats", "stats", "Show what containers use, again and again"),
    "start": ("container.start", "start", "Start containers that are created or have ended"),
    "stop": ("container.stop", "stop", "Stop containers"),
    "unpause": ("container.unpause", "unpause", "Let paused containers go on"),
    "wait": ("container.wait", "wait", "Wait until containers have ended, and print their exit codes"),
    "top": ("container.top", "top", "Show the processes of a container"),
    "xray": ("container.xray", "xray", "Show what a container is, as the kernel sees it"),
    "update": ("container.update", "update", "Change the limits and the restart policy of containers"),
}
IMAGE: Table = {
    "build": ("image.build", "build", "Build an image from a Dockerfile"),
    "history": ("image.history", "history", "Show how an image was made"),
    "import": ("image.import_image", "import_image", "Make an image from a tarball of a file system"),
    "inspect": ("image.inspect", "inspect", "Show everything about images, as JSON"),
    "layers": ("image.layers", "layers", "Show what each layer of an image adds, changes and hides"),
    "load": ("image.load", "load", "Load images from an archive"),
    "ls": ("image.ls", "ls", "List images"),
    "prune": ("image.prune", "prune", "Remove images that nobody needs"),
    "pull": ("image.pull", "pull", "Fetch an image from a registry"),
    "push": ("image.push", "push", "Publish an image to a registry"),
    "rm": ("image.rm", "rm", "Remove one or more images"),
    "save": ("image.save", "save", "Save images to an archive"),
    "tag": ("image.tag", "tag", "Give an image another name"),
}
NETWORK: Table = {
    "connect": ("network.connect", "connect", "Connect a container to a network"),
    "create": ("network.create", "create", "Create a network"),
    "disconnect": ("network.disconnect", "disconnect", "Disconnect a container from a network"),
    "inspect": ("network.inspect", "inspect", "Show everything about networks, as JSON"),
    "ls": ("network.ls", "ls", "List networks"),
    "prune": ("network.prune", "prune", "Remove all unused networks"),
    "reload": ("network.reload", "reload", "Write the packet filter's rules anew"),
    "rm": ("network.rm", "rm", "Remove one or more networks"),
}
VOLUME: Table = {
    "create": ("volume.create", "create", "Create a volume"),
    "inspect": ("volume.inspect", "inspect", "Show everything about volumes, as JSON"),
    "ls": ("volume.ls", "ls", "List volumes"),
    "prune": ("volume.prune", "prune", "Remove volumes that no container has"),
    "rm": ("volume.rm", "rm", "Remove one or more volumes"),
}
SYSTEM: Table = {
    "df": ("system.df", "df", "Show what takes how much of the disk"),
    "events": ("system.events", "events", "Show what happens, as it happens"),
    "info": ("system.info", "info", "Show what this host's kernel offers, and what is missing"),
    "prune": ("system.prune", "prune", "Remove what nobody uses"),
    "service": ("system.service", "service", "Serve the Engine API, for docker's own clients"),
    "start": ("system.start", "start", "Start what was running when the machine went down"),
    "stop": ("system.stop", "stop", "Stop all containers, until `system start`"),
    "uninstall": ("system.uninstall", "uninstall", "Remove what minidock has left on this host"),
}
BUILDER: Table = {
    "build": IMAGE["build"],
    "du": ("builder.du", "du", "Show what builds keep"),
    "prune": ("builder.prune", "prune", "Remove what builds keep"),
}
BUILDX: Table = {
    **BUILDER,
    "inspect": ("builder.builders", "inspect", "Show the builder"),
    "ls": ("builder.builders", "ls", "List builders"),
    "version": ("builder.builders", "version", "Show the version"),
}
COURSE: Table = {
    "check": ("course.check", "check", "Run your program in a sandbox, and say what it lacks"),
    "ls": ("course.ls", "ls", "List the stages of the course"),
    "show": ("course.show", "show", "Show what a stage is about"),
    "start": ("course.start", "start", "Write a program with holes to fill"),
}
NOUNS = {
    "container": (CONTAINER, "Manage containers"),
    "image": (IMAGE, "Manage images"),
    "network": (NETWORK, "Manage networks"),
    "volume": (VOLUME, "Manage volumes"),
    "system": (SYSTEM, "Manage minidock itself"),
    "builder": (BUILDER, "Build images, and manage what builds keep"),
    "course": (COURSE, "Learn it by writing one: a small container runtime, in ten stages"),
    "buildx": (BUILDX, "The same, by the name of docker's plug-in"),
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
    "login": ("login", "login", "Log in to a registry"),
    "logout": ("logout", "logout", "Forget the credentials for a registry"),
    "search": ("search", "search", "Search Docker Hub, or another registry, for images"),
    "compose": ("compose", "compose", "Run Compose with containers of minidock's"),
    "completion": ("completion", "completion", "Print the completion script of a shell"),
    "events": SYSTEM["events"],
    "info": SYSTEM["info"],
    "version": ("version", "version", "Show the version"),
}
# What docker's users may look for here: the command, and what there is instead, if anything.
ABSENT = {
    "checkpoint": "a container's memory cannot be saved to disk",
    "context": "there is no daemon to choose, commands do all themselves; docker's own clients take DOCKER_HOST",
    "manifest": "an image is here for one platform; skopeo and buildah know lists of them",
    "plugin": "drivers of networks and logs are part of it",
    "trust": "no signature of an image is made or checked",
    **dict.fromkeys(("config", "node", "secret", "service", "stack", "swarm"),
                    "it has no cluster of its own; docker's swarm runs with minidock-oci as its runtime"),
    **dict.fromkeys(("buildx bake", "buildx imagetools"), ""),
    **dict.fromkeys(("buildx create", "buildx rm", "buildx stop", "buildx use"), "there is one builder, default"),
    "volume update": "it changes the volumes of a swarm",
}  # fmt: skip
# Other names that docker has for the commands of its nouns.
ALIASES = {"list": "ls", "ps": "ls", "remove": "rm"}


def load(row: tuple[str, str, str]) -> Command:
    """The command of a row of a table: only now is its module imported."""
    module, attribute, _ = row
    command: Command = getattr(importlib.import_module(f"minidock.cli.{module}"), attribute)
    return command
