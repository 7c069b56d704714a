"""Right programs that are not written as the solutions are: with other calls, other programs, another order."""

from __future__ import annotations

from minidock.course import course_stages
from tests.course.wrong import Wrong

SUBPROCESS = """
import subprocess, sys
try:
    code = subprocess.run(sys.argv[1:]).returncode
except OSError as error:
    sys.exit(print(error, file=sys.stderr) or (127 if isinstance(error, FileNotFoundError) else 126))
sys.exit(code if code >= 0 else 128 - code)
"""

# posix_spawn(3), with the signals that it resets.
SPAWN = """
import os, signal, sys
try:
    pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, setsigdef=[signal.SIGPIPE])
except OSError as error:
    sys.exit(print(error, file=sys.stderr) or (127 if isinstance(error, FileNotFoundError) else 126))
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
sys.exit(code if code >= 0 else 128 - code)
"""

CHROOT = """
import subprocess, sys
sys.exit(subprocess.run(["chroot", *sys.argv[1:]]).returncode)
"""

# All of it by util-linux: unshare(1), mount(8), pivot_root(8).
COMMANDS = """
import subprocess, sys
SCRIPT = 'mount --bind "$0" "$0" && cd "$0" && pivot_root . . && umount -l . && cd / && exec "$@"'
command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", SCRIPT, *sys.argv[1:]]
sys.exit(subprocess.run(command).returncode)
"""

# The devices of the host, by bind mounts.
BINDS = course_stages.find("4").solution.replace(
    'os.mknod(f"dev/{name}", 0o666 | stat.S_IFCHR, os.makedev(*number))',
    'open(f"dev/{name}", "w").close(); mount(f"/dev/{name}", f"dev/{name}", None, MS_BIND)',
)

# unshare(1) makes the namespaces and the fork; the same program goes on inside as PID 1.
AGAIN = (
    course_stages.find("5")
    .solution.replace(
        "    rootfs, *command = sys.argv[1:]\n",
        """    rootfs, *command = sys.argv[1:]
    if rootfs == "--inside":
        signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON | {signal.SIGCHLD})
        become_first(command[0], command[1:])
    import subprocess
    words = ["unshare", "--mount", "--uts", "--ipc", "--pid", "--fork"]
    child = subprocess.Popen([*words, sys.executable, __file__, "--inside", *sys.argv[1:]])
    def pass_on(*_):
        with open(f"/proc/{child.pid}/task/{child.pid}/children") as children:
            os.kill(int(children.read()), signal.SIGTERM)
    signal.signal(signal.SIGTERM, pass_on)
    code = child.wait()
    sys.exit(code if code >= 0 else 128 - code)
""",
    )
    .replace('    call("unshare", CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC)\n', "")
)

# Python 3.12 has unshare itself.
GUARDED = course_stages.find("5").solution.replace(
    'call("unshare", ', '(getattr(os, "unshare", None) or libc.unshare)('
)

# The user namespace first, with all others in it: their root may mount and name the host, without being the host's.
_OWNER = '    os.chown(f"{scratch}/upper", OUTSIDE, OUTSIDE)  # the tree has the topmost directory\'s owner\n'
_SCRATCH = '    scratch = tempfile.mkdtemp(prefix="course-")\n'
_FORK = '    call("unshare", CLONE_NEWPID)\n    child = os.fork()\n'
_PRIVATE = '    mount(None, "/", None, MS_REC | MS_PRIVATE)\n'
_SYSFS = '    mount("sysfs", "sys", "sysfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC)\n'
_MKNOD = 'os.mknod(f"dev/{name}", 0o666 | stat.S_IFCHR, os.makedev(*number))'
_CHANGES = {
    "    leave_root(parent)\n": "",
    '    call("unshare", CLONE_NEWNS |': '    leave_root(parent)\n    call("unshare", CLONE_NEWNS |',
    _OWNER: "",
    _SCRATCH: f"{_SCRATCH}    os.chown(scratch, OUTSIDE, OUTSIDE)\n",
    _FORK: "    child = os.fork()\n",
    _PRIVATE: '    call("unshare", CLONE_NEWPID)\n    if first := os.fork():\n        os._exit(attend(first))\n'
    + _PRIVATE,
    _SYSFS: "",
    _MKNOD: 'open(f"dev/{name}", "w").close(); mount(f"/dev/{name}", f"dev/{name}", None, 0x1000)',
}
USERS_FIRST = course_stages.find("8").solution
for old, new in _CHANGES.items():
    assert old in USERS_FIRST
    USERS_FIRST = USERS_FIRST.replace(old, new)


STYLES = [
    Wrong(stage, name, "", text, "")
    for stage, name, text in (
        ("1", "subprocess", SUBPROCESS),
        ("1", "posix_spawn", SPAWN),
        ("2", "chroot-command", CHROOT),
        ("3", "util-linux", COMMANDS),
        ("4", "bind-mounts", BINDS),
        ("5", "unshare-command", AGAIN),
        ("5", "os.unshare", GUARDED),
        ("8", "users-first", USERS_FIRST),
    )
]
