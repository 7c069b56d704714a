"""`minidock course start`: a program with holes, and the files of an image for it."""

from __future__ import annotations

import os
import shutil

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.echo import echo
from minidock.cli.flags.attach_flags import say
from minidock.course import course_stages
from minidock.engine.state_paths import Paths
from minidock.errors import UsageError

ROOTFS = "rootfs"


@usage.command(context_settings=HELP)
@usage.argument("number", metavar="STAGE")
@usage.argument("file", required=False)
@usage.option("--solution", is_flag=True, help="Write a program without holes.")
@usage.option("--image", default="alpine", help="The image whose files become ./rootfs [alpine].")
@usage.pass_paths
def start(paths: Paths, number: str, file: str | None, solution: bool, image: str) -> None:
    """Write the skeleton of a stage to FILE [stageN.py], and an image's files to ./rootfs if there are none.

    The skeleton has what the stages before have made, and holes for what is new.
    """
    stage = course_stages.find(number)
    file = file or stage.file
    if os.path.lexists(file):
        raise UsageError(f"{file} is there already: name another file, or remove it")
    if stage.needs_rootfs and not os.path.lexists(ROOTFS):
        _unpack(paths, image)
    with open(file, "x", encoding="utf-8") as script:
        script.write(stage.solution if solution else stage.skeleton)
    os.chmod(file, 0o755)
    holes = "no holes" if solution or not stage.holes else f"{stage.holes} hole{'s' if stage.holes > 1 else ''} to fill"
    echo(f"{file}: {holes}; then: minidock course check {stage.number} {file}")


def _unpack(paths: Paths, name: str) -> None:
    """The merged files of an image, in a directory that appears when it is whole."""
    from minidock.engine.images import find_image

    image = find_image.find_or_fetch(paths.root, name, "missing", say)
    made = f"{ROOTFS}.part"
    shutil.rmtree(made, ignore_errors=True)
    for layer in image.layer_paths:
        shutil.copytree(layer, made, symlinks=True, dirs_exist_ok=True)
    os.rename(made, ROOTFS)
