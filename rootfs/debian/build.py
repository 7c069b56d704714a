#!/usr/bin/env python3
"""Build the root file system of the `debian` image: what Debian's own packages install, and no more.

mmdebstrap(1) does it with this machine's apt: its mirror, its keys. It works on a Debian, as root.
"""

import contextlib
import gzip
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

sys.dont_write_bytecode = True  # the recipes may be installed where only the package manager should write
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from common import STOPPING, RecipeError, arguments, missing, run_recipe, say, written_whole  # noqa: E402

TOOL = "mmdebstrap"
SUITE = "bookworm"
# What the official image's `-slim` leaves out of every package, now and when one is installed later (dpkg(1)).
LEFT_OUT = ("doc", "groff", "info", "linda", "lintian", "locale", "man")
KEPT = "/usr/share/doc/*/copyright"
# As in the official image: no translations of descriptions, and no list of a package that only suggests another.
APT_SETTINGS = ('Acquire::Languages "none"', 'Apt::AutoRemove::SuggestsImportant "false"')
# No fsync(2) after each file: an image that is half made is thrown away whole.
UNSAFE = "--dpkgopt=force-unsafe-io"
QUICK = 1  # gzip(1): the archive is read once and thrown away


def command() -> list[str]:
    """The tool's command line: a tar archive on its standard output."""
    rules = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in LEFT_OUT]
    settings = [f"--aptopt={setting}" for setting in APT_SETTINGS]
    rules += [f"--dpkgopt=path-include={KEPT}", UNSAFE]
    return [TOOL, "--quiet", "--variant=minbase", "--format=tar", *rules, *settings, SUITE, "-"]


@contextlib.contextmanager
def archive(scratch: str) -> Iterator[IO[bytes]]:
    """The archive as it is made. Raises `RecipeError` at the end if the tool failed, with its last line."""
    environment = {"SOURCE_DATE_EPOCH": "0", **os.environ, "TMPDIR": scratch}
    with tempfile.TemporaryFile() as said:
        # A signal that came before the process is known would leave it running.
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
        try:
            process = subprocess.Popen(
                command(), stdout=subprocess.PIPE, stderr=said, env=environment,
                preexec_fn=_unblock,  # noqa: PLW1509 (there is one thread)
            )  # fmt: skip
        except FileNotFoundError as error:
            raise missing(TOOL, TOOL) from error
        with process:
            assert process.stdout
            try:
                _unblock()
                yield process.stdout
            except BaseException:
                process.terminate()  # it unmounts and removes what it has made so far
                raise
        if process.returncode:
            said.seek(0)
            lines = said.read().decode(errors="replace").strip().splitlines()
            raise RecipeError(f"{TOOL} failed: {lines[-1] if lines else f'exit status {process.returncode}'}")


def _unblock() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)


def build() -> None:
    options = arguments(__doc__).parse_args()
    if os.geteuid():
        raise RecipeError("installing packages into a tree of their own needs root")
    say(f"installing the packages of a minimal Debian ({SUITE})")
    with (
        written_whole(options.output) as partial,
        tempfile.TemporaryDirectory(dir=options.output.parent, prefix=".debian-") as scratch,
    ):
        os.chmod(scratch, 0o755)  # apt's own user looks inside
        with gzip.open(partial, "wb", QUICK) as packed, archive(scratch) as made:
            shutil.copyfileobj(made, packed, 1 << 20)


if __name__ == "__main__":
    run_recipe("debian", build)
