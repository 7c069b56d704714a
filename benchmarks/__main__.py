"""`python -m benchmarks [NAME] [-n ROUNDS]`."""

from __future__ import annotations

import argparse
import importlib

NAMES = {
    "marks": "each command that people type, beside docker and runc, as a table",
    "start": "`true` in Alpine, from the command to its end",
    "oci": "the runtime's own command line beside runc: a life, docker run, state, what stays",
    "exec": "`true` once more in a container that runs, beside docker and runc",
    "api": "docker's client over the socket: run, ps, bytes in, logs, beside docker's daemon",
    "network": "bytes and connections a second through the bridge and a published port, beside docker",
    "explain": "what observing costs: nobody observing, no code to observe with, and each style of --explain",
    "pull": "an image of 300 MB from a registry on this machine, beside docker, podman and skopeo with umoci",
    "build": "builds: cached, commands, 10,000 files, 1 GB, stages, beside docker's two builders and buildah",
    "monitors": "the memory of what stays beside 1 and beside that many (-n 50) containers",
    "crowd": "that many containers (-n 300), started and removed in parallel, none of whose addresses may be left",
}


def main() -> None:
    """Run one benchmark, by default `marks`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="?", default="marks", choices=NAMES, help=f"one of {NAMES}")
    parser.add_argument("-n", "--rounds", type=int, default=20)
    parser.add_argument("--docker", action="append", default=[], metavar="HOST", help="a daemon to compare with, too")
    arguments = parser.parse_args()
    more = (tuple(arguments.docker),) if arguments.name == "marks" else ()
    importlib.import_module(f"benchmarks.{arguments.name}").measure(arguments.rounds, *more)


if __name__ == "__main__":
    main()
