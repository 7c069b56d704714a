"""Git repositories as contexts, named contexts and sources of ADD (reference, "Git repositories"; git-fetch(1)).

    ADDRESS[#REF[:DIRECTORY]]      REF: a branch, a tag or a commit, the repository's HEAD if none is named

The program `git` does the work: with no history but the commit itself where the other side can do that, without asking
for passwords, and with its submodules, as BuildKit does.
"""

from __future__ import annotations

import os
import re
import shutil

from minidock.errors import HostError, NotFoundError, UsageError
from minidock.linux import programs
from minidock.linux.openat2 import open_in
from minidock.named_tuple import NamedTuple
from minidock.observe import step

_ADDRESS = re.compile(r"(?:git|ssh|file)://|git@|github\.com/|gitlab\.com/|bitbucket\.org/")
_WEB = re.compile(r"https?://[^#?]*\.git(?:[#?].*)?$")
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
# Nobody is asked, nothing but the command line counts, and a repository's own links stay among the usual protocols.
_ENVIRONMENT = {"GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_NOSYSTEM": "1", "GIT_ASKPASS": "true", "LC_ALL": "C"}


class Repository(NamedTuple):
    """What an address names: `reference` "" is HEAD, `directory` "" the top."""

    address: str
    reference: str
    directory: str


def parse(text: str) -> Repository | None:
    """The repository that `text` names, None if it is no such address."""
    if not (_ADDRESS.match(text) or _WEB.match(text)):
        return None
    address, _, fragment = text.partition("#")
    reference, _, directory = fragment.partition(":")
    if "://" not in address and not address.startswith("git@"):
        address = f"https://{address}"
    return Repository(address, reference, directory.strip("/"))


def check_out(wanted: Repository, place: str, *, keep_history: bool = False) -> str:
    """Put the files of a repository into the empty directory `place`; the commit that they are of.

    `keep_history`: with its `.git`. Raises `NotFoundError`, `HostError` with what git says.
    """
    if wanted.reference.startswith("-"):
        raise UsageError(f"invalid git reference {wanted.reference!r}")
    with step("Fetch the files of a git repository"):
        _git(place, "init", "-q", "--initial-branch=main")
        _git(place, "remote", "add", "--", "origin", wanted.address)
        _git(place, "-c", "advice.detachedHead=false", "checkout", "-q", _fetch(place, wanted))
        _git(place, "submodule", "update", "-q", "--init", "--recursive", "--depth=1")
        commit = _git(place, "rev-parse", "HEAD").strip()
    if not keep_history:
        shutil.rmtree(os.path.join(place, ".git"))
    return commit


def directory_of(wanted: Repository, place: str) -> str:
    """The directory that was asked for, below `place`: no link leads out of it. Raises `NotFoundError`."""
    root = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fd = open_in(root, wanted.directory or "/")
        try:
            found = os.readlink(f"/proc/self/fd/{fd}")
        finally:
            os.close(fd)
    except OSError as error:
        raise NotFoundError(f"{wanted.address}: {wanted.directory}: {os.strerror(error.errno or 0)}") from error
    finally:
        os.close(root)
    if not os.path.isdir(found):
        raise NotFoundError(f"{wanted.address}: {wanted.directory} is no directory")
    return found


def _fetch(place: str, wanted: Repository) -> str:
    """The commit alone; all there is, where the server does not give single ones. Returns what git calls it."""
    name = wanted.reference or "HEAD"
    try:
        _git(place, "fetch", "-q", "--depth=1", "origin", name)
        return "FETCH_HEAD"
    except HostError:
        if not _COMMIT.fullmatch(name):
            raise
        _git(place, "fetch", "-q", "--tags", "origin", "+refs/heads/*:refs/remotes/origin/*")
        return name


def _git(place: str, *words: str) -> str:
    environment = {**os.environ, **_ENVIRONMENT}
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):  # of a hook that has called us
        environment.pop(name, None)
    try:
        done = programs.run(["git", "-C", place, *words], environment=environment)
    except FileNotFoundError:
        raise HostError("git is not installed: it is needed to fetch a repository") from None
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        told = next((line for line in lines if line.startswith(("fatal:", "error:"))), lines[-1] if lines else "")
        raise HostError(f"git {words[0]}: {told or f'exit code {done.returncode}'}")
    return done.stdout
