"""`features` and `--version`: what this runtime can do, for engines that ask first (features.md of runtime-spec)."""

from __future__ import annotations

import json
from typing import Any

from minidock.linux import capabilities, mount_options, namespaces, seccomp
from minidock.oci.runc_command_line import Words
from minidock.runtime import hooks, oci_spec

VERSION = "1.2.0+minidock-0.1.0"  # the runc whose command line this is, and us: engines read the first line


def version() -> int:
    """`minidock-oci --version`, in runc's form."""
    print(f"runc version {VERSION}\nspec: {oci_spec.VERSION}")
    return 0


def features(_: Words) -> int:
    """`minidock-oci features`."""
    print(json.dumps(_features(), indent=4))
    return 0


def _features() -> dict[str, Any]:
    return {
        "ociVersionMin": "1.0.0",
        "ociVersionMax": oci_spec.VERSION,
        "hooks": list(hooks.KINDS),
        "mountOptions": sorted(mount_options.KNOWN),
        "linux": {
            "namespaces": sorted(namespaces.FLAGS),
            "capabilities": sorted(capabilities.NAMES),
            "cgroup": {"v1": False, "v2": True, "systemd": True, "systemdUser": False, "rdma": True},
            "seccomp": {
                "enabled": True,
                "actions": sorted(seccomp.ACTIONS),
                "operators": sorted(seccomp.OPERATORS),
                "archs": sorted(seccomp.ARCHITECTURES),
                "knownFlags": sorted(seccomp.FLAGS),
                "supportedFlags": sorted(seccomp.FLAGS),
            },
            "apparmor": {"enabled": False},
            "selinux": {"enabled": False},
            "intelRdt": {"enabled": False},
            "mountExtensions": {"idmap": {"enabled": True}},
        },
        "annotations": {"org.opencontainers.runc.version": VERSION},
    }
