"""GET /containers/NAME/stats: what a container uses, once a second (moby: api/types/container/stats.go)."""

from __future__ import annotations

import time
from typing import Any

from minidock.api.call import Call
from minidock.api.models import api_times
from minidock.engine.container import records, recovery
from minidock.engine.container.records import Record
from minidock.engine.inspect import container_stats
from minidock.engine.inspect.container_stats import Sample

_PERIOD = 1.0  # seconds
_NOTHING = {"cpu_usage": {"total_usage": 0, "usage_in_kernelmode": 0, "usage_in_usermode": 0},
            "throttling_data": {"periods": 0, "throttled_periods": 0, "throttled_time": 0}}  # fmt: skip


def stats(call: Call) -> None:
    """One sample a second, or with stream=false the second of two, or with one-shot the first."""
    recovery.sweep_all(call.root)
    record = records.find(call.root, call.name)
    if not call.flag("stream", default=True):
        before = None
        if not call.flag("one-shot") and record.is_up:
            before = _take(record)
            with call.until_gone():
                time.sleep(_PERIOD)
        call.json(_described(record, before, _take(record)))
        return
    with call.stream() as stream:
        before = None
        while (fresh := records.load(call.root, record.id)) is not None:
            record, now = fresh, _take(fresh)
            stream.json(_described(record, before, now))
            before = now
            time.sleep(_PERIOD)


_Taken = tuple[
    int, int, Sample | None
]  # nanoseconds since 1970, those that all processors have worked, the container's


def _take(record: Record) -> _Taken:
    sample = container_stats.take(record) if record.is_up else None
    return time.time_ns(), container_stats.host_processor_time(), sample


def _described(record: Record, before: _Taken | None, now: _Taken) -> dict[str, Any]:
    moment, _, sample = now
    found: dict[str, Any] = {
        "read": api_times.rfc3339(moment) if sample else api_times.NEVER,
        "preread": api_times.rfc3339(before[0]) if before and before[2] else api_times.NEVER,
        "pids_stats": {"current": sample.threads} if sample else {},
        "blkio_stats": _disk(sample),
        "num_procs": 0,
        "storage_stats": {},
        "cpu_stats": _processor(now),
        "precpu_stats": _processor(before) if before else _NOTHING,
        "memory_stats": _memory(sample),
        "name": f"/{record.name}",
        "id": record.id,
    }
    if sample and record.data["networks"]:
        found["networks"] = {"eth0": {
            "rx_bytes": sample.received, "rx_packets": 0, "rx_errors": 0, "rx_dropped": 0,
            "tx_bytes": sample.sent, "tx_packets": 0, "tx_errors": 0, "tx_dropped": 0}}  # fmt: skip
    return found


def _processor(taken: _Taken) -> dict[str, Any]:
    _, system, sample = taken
    if sample is None:
        return _NOTHING
    return {
        "cpu_usage": {"total_usage": sample.processor, "usage_in_kernelmode": 0, "usage_in_usermode": 0},
        "system_cpu_usage": system,
        "online_cpus": container_stats.processors(),
        "throttling_data": _NOTHING["throttling_data"],
    }


def _memory(sample: Sample | None) -> dict[str, Any]:
    if sample is None or sample.memory is None:
        return {}
    return {"usage": sample.memory, "stats": {"inactive_file": 0}, "limit": sample.memory_limit}


def _disk(sample: Sample | None) -> dict[str, Any]:
    rows = None
    if sample and sample.read is not None:
        rows = [{"major": 0, "minor": 0, "op": "read", "value": sample.read},
                {"major": 0, "minor": 0, "op": "write", "value": sample.written}]  # fmt: skip
    names = ("io_serviced_recursive", "io_queue_recursive", "io_service_time_recursive", "io_wait_time_recursive",
             "io_merged_recursive", "io_time_recursive", "sectors_recursive")  # fmt: skip
    return {"io_service_bytes_recursive": rows, **dict.fromkeys(names)}
