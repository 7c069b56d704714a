"""The life of a container in docker and in minidock: the same commands, outputs, errors and exit codes."""

from __future__ import annotations

import re
import subprocess
import time

import pytest

from tests.support.command import Minidock

pytestmark = pytest.mark.interop

Step = tuple[str, ...]

SLEEP: Step = ("run", "-d", "--name", "one", "--network", "none", "alpine", "sleep", "1000")
FAILS: Step = ("run", "--name", "one", "--network", "none", "--restart", "on-failure:2", "alpine", "sh", "-c",
               "echo x; exit 3")  # fmt: skip
# Until both have restarted as often as they will: docker's `wait` returns at an end between two starts as well.
REST: Step = ()
PLAYS: dict[str, list[Step]] = {
    "created": [("create", "--name", "one", "alpine", "true"), ("wait", "one"), ("stop", "one"), ("kill", "one"),
                ("pause", "one"), ("attach", "one"), ("start", "one"), ("wait", "one"), ("rm", "one"),
                ("rm", "one"), ("rm", "-f", "one")],
    "attached": [("create", "--name", "one", "alpine", "sh", "-c", "echo out; echo err >&2; exit 4"),
                 ("start", "-a", "one"), ("start", "one"), ("wait", "one"), ("logs", "one"),
                 ("start", "-a", "one", "one")],
    "running": [SLEEP, SLEEP, ("start", "one"), ("rm", "one"), ("unpause", "one"), ("rename", "one", "one"),
                ("kill", "-s", "NONSENSE", "one"), ("stop", "-t", "0", "one"), ("stop", "one"), ("kill", "one"),
                ("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}} {{.State.Pid}}", "one")],
    "paused": [SLEEP, ("pause", "one"), ("pause", "one"), ("start", "one"), ("attach", "one"), ("rm", "one"),
               ("inspect", "-f", "{{.State.Status}} {{.State.Paused}} {{.State.Running}}", "one"),
               ("restart", "-t", "0", "one"), ("pause", "one"), ("kill", "one"), ("pause", "one")],
    "renamed": [SLEEP, ("rename", "one", "two"), ("rename", "one", "three"), ("rename", "two", "/one"),
                ("inspect", "-f", "{{.Name}}", "one")],
    "restarted": [FAILS, REST, ("wait", "one"), ("logs", "one"),
                  ("inspect", "-f", "{{.RestartCount}} {{.State.Status}} {{.HostConfig.RestartPolicy.Name}}", "one")],
    "several": [SLEEP, ("stop", "-t", "0", "nobody", "one"), ("wait", "one", "one"), ("start", "one", "nobody"),
                ("rm", "-f", "one", "nobody")],
    "missing": [(command, "nobody") for command in
                ("start", "stop", "restart", "kill", "pause", "unpause", "attach", "wait", "rm")],
    "not started": [("create", "--name", "one", "alpine", "no-such-program"), ("start", "one"),
                    ("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "one"), ("start", "-a", "one")],
    "in and out": [("run", "-d", "-i", "--name", "one", "--network", "none", "alpine", "cat"),
                   ("inspect", "-f", "{{.Config.OpenStdin}} {{.Config.StdinOnce}} {{.Config.AttachStdin}}", "one"),
                   ("kill", "one")],
}  # fmt: skip
# What docker says before its own words, and what its runc says where we have words of our own.
_PREFIX = re.compile(r"^(docker: |minidock: )?(Error response from daemon: )?([Cc]annot kill container: nobody: )?")
_ID = re.compile(r"\b[0-9a-f]{64}\b")
# Words of the older docker that is asked, and what docker 26 says in their place.
_NEWER = {
    r"You cannot remove a paused container ID\. .*": (
        'cannot remove container "/one": container is paused and must be unpaused first'
    ),
    r"You cannot remove a (\w+) container ID\. Stop the .*": (
        r'cannot remove container "/one": container is \1: stop the container before removing or force remove'
    ),
    r"^Cannot kill container": "cannot kill container",
    r"^(cannot kill container: one: )?[Ii]nvalid signal": "invalid signal",
}


def _heard(done: subprocess.CompletedProcess[bytes]) -> tuple[int, str, str]:
    """Exit code, output, and the first line of the errors without who says it."""
    errors = _PREFIX.sub("", done.stderr.decode().partition("\n")[0])
    if "no-such-program" in errors:
        errors = "no such program"
    errors = _ID.sub("ID", errors)
    for older, newer in _NEWER.items():
        errors = re.sub(older, newer, errors)
    return done.returncode, _ID.sub("ID", done.stdout.decode()), errors


@pytest.mark.parametrize("play", PLAYS.values(), ids=PLAYS.keys())
def test_the_same_is_said_and_done(docker: list[str], minidock: Minidock, play: list[Step]) -> None:
    assert minidock("run", "--rm", "--network", "none", "alpine", "true", timeout=250).returncode == 0
    try:
        for words in play:
            if words == REST:
                time.sleep(4)
                continue
            theirs = subprocess.run([*docker, *words], capture_output=True, stdin=subprocess.DEVNULL, timeout=60,
                                    check=False)  # fmt: skip
            assert (words, _heard(minidock(*words))) == (words, _heard(theirs))
    finally:
        for name in ("one", "two", "three"):
            subprocess.run([*docker, "rm", "-f", name], capture_output=True, check=False)
            minidock("rm", "-f", name)
