"""The wrappers report errors in the kernel's words, and are announced to whoever observes."""

import errno
import os

import pytest

from minidock import observe
from minidock.linux import syscalls
from minidock.observe import Call, Observer


class Recorder(Observer):
    def __init__(self) -> None:
        self.calls: list[Call] = []

    def after(self, call: Call) -> None:
        self.calls.append(call)


def test_an_error_names_the_call_and_its_arguments() -> None:
    with pytest.raises(FileNotFoundError, match=r"mount\(/none, /no/where, None, 0x1000, None\): No such file"):
        syscalls.mount("/none", "/no/where", None, syscalls.MS_BIND)
    with pytest.raises(OSError, match=r"setns\(-1") as caught:
        syscalls.setns(-1)
    assert caught.value.errno == errno.EBADF


def test_calls_are_announced_with_their_step_and_result() -> None:
    recorder = Recorder()
    with observe.observing(recorder), observe.step("a step", book="3.1"):
        os.close(syscalls.open("/", os.O_RDONLY))
        with pytest.raises(OSError):
            syscalls.umount2("/no/where")
    opened, failed = recorder.calls
    assert (opened.name, opened.step, opened.arguments[0]) == ("open", "a step", "/")
    assert isinstance(failed.result, FileNotFoundError)
    assert str(failed) == "umount2(b'/no/where', 0)"


def test_clone3_is_a_fork_with_namespaces_and_a_pidfd() -> None:
    reading, writing = os.pipe()
    pid, pidfd = syscalls.clone3(syscalls.CLONE_NEWPID | syscalls.CLONE_NEWUTS)
    if pid == 0:
        os.write(writing, str(os.getpid()).encode())
        os._exit(3)
    assert os.read(reading, 10) == b"1"
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3
    for fd in (reading, writing, pidfd):
        os.close(fd)
