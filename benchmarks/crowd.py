"""Many containers at once: started and removed in parallel, half of them on a network of their own making.

    python -m benchmarks crowd -n 300

Every address is read from the kernel, inside each container. At the end nothing may be left of any: no address on
record, no cable, no rule.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from glob import glob
from typing import Any

NETWORK = "crowd"
AT_ONCE = 24


def measure(number: int) -> None:
    """Start and remove `number` containers, and say how long that took. Exits with what is wrong, if something is."""
    minidock("network", "create", NETWORK)
    names = [f"crowd-{n}" for n in range(number)]
    wrong = []
    try:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            started = time.monotonic()
            took = list(pool.map(_start, names))
            up = time.monotonic() - started
            addresses = list(pool.map(_address, names))
            twice = [address for address, count in Counter(addresses).items() if count > 1 or not address]
            wrong += [f"given twice, or not at all: {address!r}" for address in twice]
            answer = minidock("exec", names[0], "nslookup", names[(number - 1) // 2 * 2])
            wrong += [] if "Address" in answer.partition("\n\n")[2] else [f"no name: {answer}"]
            started = time.monotonic()
            list(pool.map(lambda name: minidock("rm", "-f", name), names))
            down = time.monotonic() - started
    finally:
        subprocess.run(["minidock", "rm", "-f", *names], capture_output=True, check=False)
        minidock("network", "rm", NETWORK)
    print(f"{number} containers, {AT_ONCE} at a time: up in {up:.1f} s (median {statistics.median(took):.2f} s each), "
          f"{len(set(addresses))} addresses, away in {down:.1f} s")  # fmt: skip
    wrong += left()
    if wrong:
        sys.exit("\n".join(wrong))
    print("nothing is left of them")


def minidock(*words: str) -> str:
    """Run a command, return what it prints; raises if it fails."""
    done = subprocess.run(["minidock", *words], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise RuntimeError(f"minidock {' '.join(words)}: {done.stderr}")
    return done.stdout


def _start(name: str) -> float:
    network = NETWORK if int(name.rpartition("-")[2]) % 2 == 0 else "bridge"
    started = time.monotonic()
    minidock("run", "-d", "--name", name, "--network", network, "--dns", "127.0.0.1", "alpine", "sleep", "100000")
    return time.monotonic() - started


def _address(name: str) -> str:
    """The container's IPv4 address, asked of the kernel in its network namespace."""
    pid = minidock("inspect", "-f", "{{.State.Pid}}", name).strip()
    command = ["nsenter", "-t", pid, "-n", "ip", "-j", "-4", "address", "show", "eth0"]
    shown: list[Any] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return str(shown[0]["addr_info"][0]["local"]) if shown[0]["addr_info"] else ""


def left() -> list[str]:
    """What should not be there when no container is."""
    root = os.environ.get("MINIDOCK_ROOT", "/var/lib/minidock")
    found = []
    for path in glob(f"{root}/networks/*.leases.json"):
        with open(path, encoding="utf-8") as file:
            found += [f"lease {lease}" for lease in json.load(file)["leases"].values()]
    links = json.loads(subprocess.run(["ip", "-j", "link"], capture_output=True, check=True).stdout)
    found += [f"link {link['ifname']}" for link in links if link.get("linkinfo", {}).get("info_kind") == "veth"]
    rules = subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, check=True).stdout
    found += [f"rule {line.strip()}" for line in rules.splitlines() if '"md' in line and "mdbr" not in line]
    return found
