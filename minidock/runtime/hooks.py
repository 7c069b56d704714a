"""Hooks: programs that a bundle names, run at six moments of its container's life.

| hook | when | by whom, and whose files it sees |
| --- | --- | --- |
| prestart, createRuntime | the namespaces and mounts are made, "/" is not changed yet | the creator, the host's |
| createContainer | after these | the container's first process, the host's, but in its mount namespace |
| startContainer | after `start`, right before the program | the container's first process, the container's |
| poststart | the program runs | the process of `start`, the host's |
| poststop | the container is deleted | the process of `delete`, the host's |

Each is given the container's state as JSON on its standard input, and of the environment only what the bundle says.
One that fails, or takes longer than its timeout, undoes the container; after the start it is only warned about.
Source: OCI config.md, "POSIX-platform Hooks", and runtime.md, "Lifecycle".
"""

from __future__ import annotations

import json
import os
from typing import Any

from minidock.errors import EXIT_ENGINE, SetupError, printable
from minidock.linux import programs
from minidock.runtime.oci_spec import Spec

KINDS = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")
State = dict[str, Any]


def has(spec: Spec, *kinds: str) -> bool:
    """Whether the bundle names a hook of any of `kinds`; without any, of all."""
    return any((spec.config.get("hooks") or {}).get(kind) for kind in kinds or KINDS)


def load() -> None:
    """Import the modules that running a program needs: in a container's first process imports are disabled."""
    import subprocess

    assert subprocess


def state(spec: Spec, container_id: str, status: str, pid: int) -> State:
    """A container's state, as the specification has it (runtime.md, "State")."""
    known = {"ociVersion": spec.config["ociVersion"], "id": container_id, "status": status, "bundle": spec.bundle}
    if pid:
        known["pid"] = pid
    if annotations := spec.config.get("annotations"):
        known["annotations"] = annotations
    return known


def run(spec: Spec, kind: str, known: State) -> None:
    """Run all hooks of `kind`, in order. Raises `SetupError` for the first that fails."""
    for number, hook in enumerate((spec.config.get("hooks") or {}).get(kind) or []):
        _run(f"{kind} hook #{number} ({hook['path']})", hook, known)


def _run(name: str, hook: dict[str, Any], known: State) -> None:
    environment = dict(entry.partition("=")[::2] for entry in hook.get("env") or [])
    words = hook.get("args") or [hook["path"]]
    try:
        done = programs.run(words, json.dumps(known), file=hook["path"], environment=environment,
                            seconds=hook.get("timeout"))  # fmt: skip
    except TimeoutError:
        raise _failed(f"{name} was killed: it took longer than {hook['timeout']} seconds") from None
    except OSError as error:
        raise _failed(f"{name}: {os.strerror(error.errno or 0).lower()}") from error
    if done.returncode:
        how = f"exit status {done.returncode}" if done.returncode > 0 else f"signal {-done.returncode}"
        said = printable(f"{done.stdout} {done.stderr}").strip()
        raise _failed(f"{name}: {how}{said and f': {said}'}")


def _failed(message: str) -> SetupError:
    return SetupError(f"error running {message}", exit_code=EXIT_ENGINE)
