"""Restart policies: whether a container that has ended is started again, and how long its monitor waits before.

The rules are docker's (moby: restartmanager/restartmanager.go): 100 ms before the first restart, twice as long before
each further one, a minute at most, and 100 ms again after a run of ten seconds. What a user stopped stays so.
"""

from __future__ import annotations

from minidock.engine.container.records import Record

NO, ON_FAILURE, ALWAYS, UNLESS_STOPPED = "no", "on-failure", "always", "unless-stopped"
POLICIES = (NO, ALWAYS, ON_FAILURE, UNLESS_STOPPED)

_SHORTEST, _LONGEST = 0.1, 60.0  # seconds
_LONG_RUN = 10.0


class Backoff:
    """How often one container was started again in a row: `next` is the next delay in seconds."""

    def __init__(self) -> None:
        self.next = _SHORTEST

    def delay(self, record: Record, exit_code: int, lasted: float) -> float | None:
        """Seconds to wait before the container, which ran for `lasted` seconds, is started again; None: it is not."""
        if record.data["state"]["again"]:  # the user asked for a restart
            return 0.0
        if lasted >= _LONG_RUN:
            self.next = _SHORTEST
        if record.data["state"]["stopped"] or not is_wanted(record, exit_code):
            return None
        delay, self.next = self.next, min(2 * self.next, _LONGEST)
        return delay


def is_wanted(record: Record, exit_code: int) -> bool:
    """Whether the policy wants a container that ended with `exit_code` to be started again."""
    policy, most = record.data["options"]["restart"], record.data["options"]["restart_retries"]
    if policy == ON_FAILURE:
        return exit_code != 0 and (not most or record.data["restartCount"] < most)
    return policy in (ALWAYS, UNLESS_STOPPED)
