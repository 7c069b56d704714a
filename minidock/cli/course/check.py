"""`minidock course check`: what the kernel says of a student's program."""

from __future__ import annotations

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.echo import echo
from minidock.cli.flags.attach_flags import say
from minidock.cli.flags.common import check_root
from minidock.course import course_stages
from minidock.engine.state_paths import Paths


@usage.command(context_settings=HELP)
@usage.argument("number", metavar="STAGE")
@usage.argument("file", required=False)
@usage.option("--seconds", type=usage.Range(1), default=30, help="How long one run of it may take [30].")
@usage.option("--image", default="alpine", help="The image whose files it is given [alpine].")
@usage.pass_paths
def check(paths: Paths, number: str, file: str | None, seconds: int, image: str) -> int:
    """Run the program in FILE [stageN.py] in a sandbox, and say what it lacks.

    The exit code is 0, or 1 if something is missing.
    """
    from minidock.course import check as course_check

    stage = course_stages.find(number)
    check_root()
    layers: list[str] = []
    if stage.number != "1":
        from minidock.engine.images import find_image

        layers = find_image.find_or_fetch(paths.root, image, "missing", say).layer_paths
    code = course_check.check(stage, file or stage.file, layers, seconds)
    if code == 0:
        echo(f"the same in minidock: {', '.join(stage.code)}")
        if following := course_stages.next_of(stage):
            echo(f"next: minidock course start {following.number} ({following.title})")
    return code
