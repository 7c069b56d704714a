"""Runs one OCI bundle and kills its first process before that is started: `python oci_run.py BUNDLE SIGNAL`.

SIGNAL is sent when the process is ready and waits for the start, and its end awaited. Ends as the process does.
Without a signal there is `python -m minidock.runtime BUNDLE`.
"""

import os
import sys

from minidock.errors import MinidockError
from minidock.runtime import lifecycle, oci_spec


def main(bundle: str, signal: str = "") -> int:
    try:
        created, cgroup = lifecycle.create(oci_spec.load(bundle), (0, 1, 2))
    except MinidockError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    try:
        if signal:
            lifecycle.wait_ready(created)
            created.signal(int(signal))
            os.waitid(os.P_PID, created.pid, os.WEXITED | os.WNOWAIT)
        lifecycle.start(created)
    except MinidockError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    finally:
        status = os.waitpid(created.pid, 0)[1]
        if cgroup:
            cgroup.delete()
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


sys.exit(main(*sys.argv[1:]))
