"""Remove what minidock has put on this host outside of its state root: interfaces, rules, cgroups, caches.

Containers, images and volumes stay unless asked for: with them, minidock can be installed again and go on. What the
packages of a distribution or `make install` have installed is theirs to remove.
"""

from __future__ import annotations

import os
from contextlib import suppress

from minidock import state
from minidock.engine import state_paths
from minidock.engine.container import boot, records
from minidock.errors import ConflictError
from minidock.linux import cgroups, cgroups_v1, directory_trees
from minidock.network import network_drivers, network_store
from minidock.network.firewall import packet_filter
from minidock.observe import step

_CGROUP = "minidock"  # the parent of containers' cgroups, where systemd has none for them (`spec/bundle.py`)
_DOWNLOADS = "/var/cache/minidock"  # of the recipes for base images (rootfs/)


def check(root: str) -> None:
    """Raise `ConflictError` while a container runs, of this root or of another one. The caller has swept."""
    names = [record.name for record in boot.to_stop(root)]
    if names:
        raise ConflictError(f"containers are running: {', '.join(names)} (to stop them all: minidock system stop)")
    others = _names_in(os.path.join(state_paths.run_directory(), "containers"))
    if others:
        raise ConflictError(f"containers of another state root are running: {', '.join(others)}")


def uninstall(root: str, *, everything: bool) -> list[str]:
    """Remove it all; `everything` includes the state root. Returns what was removed, a line each. See `check`."""
    with records.all_locked(root):
        check(root)
        removed = _remove_networks(root) + _remove_cgroups()
        own = state.files(root) if everything else [state_paths.Paths(root).cache]
        for path in (*own, _DOWNLOADS, state_paths.run_directory()):
            if os.path.isdir(path):
                directory_trees.remove_tree(path)
            elif os.path.lexists(path):
                os.unlink(path)
            else:
                continue
            removed.append(path)
    if everything:
        with suppress(OSError):  # it holds files of others too (`--root /srv`)
            os.rmdir(root)
    return removed


def _remove_networks(root: str) -> list[str]:
    """Remove all interfaces of networks and their rules. The networks stay on record, and get others when needed."""
    removed = []
    with step("Remove the networks' interfaces and rules", book="4.1.1"), network_store.locked(root):
        for network in network_store.load_all(root):
            if network.interface and os.path.exists(f"/sys/class/net/{network.interface}"):
                network_drivers.find(network.driver).remove_interface(network)
                removed.append(f"interface {network.interface} of the network {network.name}")
            packet_filter.remove_network(network.id)
    return removed


def _remove_cgroups() -> list[str]:
    """Remove the cgroups above those of containers, in each hierarchy; one that is in use stays."""
    removed = []
    with step("Remove the containers' common cgroup", book="3.2"):
        for top in filter(None, (cgroups.hierarchy(), *cgroups_v1.hierarchies().values())):
            with suppress(OSError):
                os.rmdir(os.path.join(top, _CGROUP))
                removed.append(os.path.join(top, _CGROUP))
    return removed


def _names_in(directory: str) -> list[str]:
    with suppress(FileNotFoundError):
        return [name[:12] for name in sorted(os.listdir(directory))]
    return []
