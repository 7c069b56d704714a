"""Runs one OCI bundle through minidock's runtime alone, as another engine would: `python oci_run.py BUNDLE`.

Ends as the bundle's program does. The engine's part, such as its networks, is not there.
"""

import os
import sys

from minidock.errors import MinidockError
from minidock.runtime import container, spec


def main(bundle: str) -> int:
    try:
        created, cgroup = container.create(spec.load(bundle), (0, 1, 2))
    except MinidockError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    try:
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


sys.exit(main(sys.argv[1]))
