"""An image for other engines, called `box`: nothing but a static busybox."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

APPLETS = ("cat", "echo", "hostname", "id", "ls", "ps", "readlink", "sh", "sleep", "touch", "tty")


def archive(directory: Path) -> Path:
    """Its root file system as a tar archive below `directory`, as `import` takes it."""
    root = directory / "box"
    (root / "bin").mkdir(parents=True)
    shutil.copy("/bin/busybox", root / "bin/busybox")
    for applet in APPLETS:
        (root / "bin" / applet).symlink_to("busybox")
    subprocess.run(["tar", "-C", root, "-cf", directory / "box.tar", "."], check=True)
    return directory / "box.tar"
