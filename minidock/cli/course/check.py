"""`minidock course check`: what the kernel says of a student's program."""

from __future__ import annotations

import click

from minidock.cli.commands import HELP
from minidock.cli.flags.attach import say
from minidock.cli.flags.common import check_root
from minidock.course import stages
from minidock.engine.paths import Paths


@click.command(context_settings=HELP)
@click.argument("number", metavar="STAGE")
@click.argument("file", metavar="[FILE]", required=False)
@click.option("--seconds", type=click.FloatRange(min=1), default=30, help="How long one run of it may take [30].")
@click.option("--image", default="alpine", help="The image whose files it is given [alpine].")
@click.pass_obj
def check(paths: Paths, number: str, file: str | None, seconds: float, image: str) -> int:
    """Run the program in FILE [stageN.py] in a sandbox, and say what it lacks.

    The exit code is 0, or 1 if something is missing.
    """
    from minidock.course import check as course_check

    stage = stages.find(number)
    check_root()
    layers: list[str] = []
    if stage.number != "1":
        from minidock.engine.images import find_image

        layers = find_image.find_or_fetch(paths.root, image, "missing", say).layer_paths
    code = course_check.check(stage, file or stage.file, layers, seconds)
    if code == 0:
        click.echo(f"the same in minidock: {', '.join(stage.code)}")
        if following := stages.next_of(stage):
            click.echo(f"next: minidock course start {following.number} ({following.title})")
    return code
