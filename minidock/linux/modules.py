"""Kernel modules: whether the kernel can load the code for a feature (modprobe(8)).

Most kernels load a module when a mount or a new link needs it. So it does not matter whether a module is loaded, but
whether it can be: after a boot, few are.
"""

from __future__ import annotations

import os

from minidock.linux import programs
from minidock.observe import step

# What a module does, by a function of it: for a kernel that has all built in, and no lists.
_FUNCTIONS = {"bridge": "br_add_if", "veth": "veth_newlink", "macvlan": "macvlan_common_setup",
              "nf_tables": "nft_do_chain"}  # fmt: skip


def load(name: str) -> bool:
    """Have the kernel load a module; False if it cannot."""
    with step("Load the overlay module", book="3.5.6"):
        return _modprobe(name)


def is_available(name: str) -> bool:
    """Whether a module is loaded, built in, or can be loaded. Nothing is changed."""
    if os.path.isdir(f"/sys/module/{name}"):
        return True
    with step("Ask whether a module could be loaded", book="3.5.6"):
        return _modprobe(name, "--dry-run") or _is_built_in(name)


def _modprobe(name: str, *options: str) -> bool:
    try:
        return programs.run(["modprobe", "--quiet", *options, name]).returncode == 0
    except OSError:  # no such program
        return False


def _is_built_in(name: str) -> bool:
    try:
        with open("/proc/kallsyms", encoding="ascii") as file:
            return name in _FUNCTIONS and any(line.split()[2] == _FUNCTIONS[name] for line in file)
    except (FileNotFoundError, PermissionError):
        return False
