"""minidock: a container runtime in pure Python that shows how Docker works.

Start reading at `minidock/runtime/init.py`: the steps a process takes from its first instruction to `execve`.
"""

__version__ = "0.1.0"
