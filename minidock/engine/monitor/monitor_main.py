"""The program of a monitor or an exec monitor (`spawn.py` executes it).

    python -I -S monitor_main.py KIND CHANNEL INTERPRETER BRIDGED PATH...

KIND is "monitor" or "exec-monitor"; CHANNEL and INTERPRETER are descriptors, of the socket to the command and of the
Python that this runs from; BRIDGED is 1 if a network will probably be needed; PATH... are the command's own sys.path.
"""

import sys

if __name__ == "__main__":
    kind, channel, interpreter, bridged, *sys.path = sys.argv[1:]
    from minidock.engine.monitor import spawn

    spawn.run_helper(kind, int(channel), int(interpreter), bridged=bridged == "1")
