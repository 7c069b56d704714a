"""What the specification's numbers become on the scales of version 2."""

from __future__ import annotations

from typing import Any

import pytest

from minidock.errors import HostError
from minidock.linux import cgroup_limits

M = 1 << 20
SWAP = "memory.swap.max"
RATES = {"throttleReadBpsDevice": "rbps", "throttleWriteBpsDevice": "wbps", "throttleReadIOPSDevice": "riops",
         "throttleWriteIOPSDevice": "wiops"}  # fmt: skip


@pytest.mark.parametrize(
    ("shares", "weight"), [(1, 1), (2, 1), (1024, 39), (2048, 79), (262144, 10000), (10**9, 10000)]
)
def test_cpu_shares_to_weight(shares: int, weight: int) -> None:
    assert cgroup_limits.weight_from_shares(shares) == weight


@pytest.mark.parametrize(("weight", "version_2"), [(10, 1), (100, 910), (500, 4950), (1000, 10000)])
def test_block_weight(weight: int, version_2: int) -> None:
    assert cgroup_limits.io_weight(weight) == version_2


@pytest.mark.parametrize(
    ("memory", "files"),
    [
        ({"limit": 64 * M}, {"memory.max": str(64 * M)}),
        ({"limit": -1}, {"memory.max": "max", SWAP: "max"}),
        ({"limit": 64 * M, "swap": 96 * M}, {"memory.max": str(64 * M), SWAP: str(32 * M)}),
        ({"limit": 64 * M, "swap": 64 * M}, {"memory.max": str(64 * M), SWAP: "0"}),
        ({"limit": 64 * M, "swap": -1}, {"memory.max": str(64 * M), SWAP: "max"}),
        ({"limit": -1, "swap": 64 * M}, {"memory.max": "max", SWAP: str(64 * M)}),
        ({"swap": -1}, {SWAP: "max"}),
        ({"reservation": 32 * M}, {"memory.low": str(32 * M)}),
        ({"limit": 0, "swap": 0, "reservation": 0}, {}),
    ],
)
def test_memory(memory: dict[str, int], files: dict[str, str]) -> None:
    assert {setting.file: setting.text for setting in cgroup_limits.settings({"memory": memory})} == files


@pytest.mark.parametrize(
    ("cpu", "text"),
    [
        ({"quota": 50_000, "period": 200_000}, "50000 200000"),
        ({"quota": 50_000}, "50000 100000"),
        ({"period": 200_000}, "max 200000"),
        ({"quota": -1, "period": 200_000}, "max 200000"),
    ],
)
def test_cpu_quota(cpu: dict[str, int], text: str) -> None:
    assert [(setting.file, setting.text) for setting in cgroup_limits.settings({"cpu": cpu})] == [("cpu.max", text)]


def test_each_rate_of_a_device_is_a_write_of_its_own() -> None:
    block = {key: [{"major": 8, "minor": 16, "rate": 5}] for key in RATES}
    settings = cgroup_limits.settings({"blockIO": block})
    assert [setting.text for setting in settings] == [f"8:16 {word}=5" for word in RATES.values()]


@pytest.mark.parametrize(
    ("resources", "needed"),
    [
        ({}, set()),
        ({"memory": {"limit": M, "swap": 2 * M}, "cpu": {"cpus": "0"}}, {"memory", "cpuset"}),
        ({"pids": {"limit": -1}, "memory": {"limit": -1}, "cpu": {"quota": -1}}, set()),
        ({"blockIO": {"weight": 10}, "cpu": {"shares": 2}, "pids": {"limit": 1}}, {"io", "cpu", "pids"}),
        ({"unified": {"memory.high": "1M", "hugetlb.2MB.max": "0"}}, {"memory", "hugetlb"}),
        ({"devices": [{"allow": False}]}, set()),
    ],
)
def test_only_limits_need_controllers(resources: dict[str, Any], needed: set[str]) -> None:
    assert cgroup_limits.controllers(resources) == needed


@pytest.mark.parametrize(
    "resources",
    [
        {"memory": {"swappiness": 10}},
        {"memory": {"limit": 64 * M, "swap": 32 * M}},
        {"memory": {"swap": 32 * M}},
        {"cpu": {"realtimeRuntime": 100}},
        {"network": {"classID": 1}},
        {"unified": {"../memory.max": "1M"}},
    ],
)
def test_what_is_not_supported_is_refused(resources: dict[str, Any]) -> None:
    with pytest.raises(HostError):
        cgroup_limits.settings(resources)
