"""Runs one OCI bundle through minidock's runtime alone, as another engine would: `python oci_run.py BUNDLE [SIGNAL]`.

SIGNAL is sent to the container's first process when it is ready, before it is started, and its end awaited.
Ends as the bundle's program does. The engine's part, such as its networks, is not there.
"""

import os
import sys

from minidock.errors import MinidockError
from minidock.runtime import container, spec


def main(bundle: str, signal: str = "") -> int:
    try:
        created, cgroup = container.create(spec.load(bundle), (0, 1, 2))
    except MinidockError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    try:
        if signal:
            container.wait_ready(created)
            created.signal(int(signal))
            os.waitid(os.P_PID, created.pid, os.WEXITED | os.WNOWAIT)
        container.start(created)
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
