"""Commands about minidock itself and the host."""

from __future__ import annotations

import os
import platform
from typing import Any

import click

from minidock import __version__
from minidock.cli.commands import HELP
from minidock.cli.format.template_values import Fields
from minidock.engine.paths import Paths

_FORMAT = click.option("-f", "--format", "template", metavar="TEMPLATE", help="A Go template, or 'json'.")


@click.command(context_settings=HELP)
@_FORMAT
@click.pass_obj
def info(paths: Paths, template: str | None) -> None:
    """Show what there is, what this host's kernel offers to containers, what is missing, and why that matters."""
    from minidock.engine.container import cleanup
    from minidock.engine.inspect import host_summary

    cleanup.sweep_all(paths.root)
    found = host_summary.info(paths.root)
    click.echo(_formatted(template, _Info, found) if template else "\n".join([*_lines(found), *_facts(found)]))


@click.command(context_settings=HELP)
@_FORMAT
def version(template: str | None) -> None:
    """Show the version of minidock and of what it stands on."""
    if template:
        from minidock.engine.inspect import host_summary

        click.echo(_formatted(template, _Versions, host_summary.version()))
        return
    click.echo(f"minidock version {__version__}, Python {platform.python_version()}, Linux {os.uname().release}")


class _Info(Fields):
    go_type = "system.dockerInfo"


class _Versions(Fields):
    go_type = "system.versionInfo"


def _formatted(template: str, kind: type[Fields], found: dict[str, Any]) -> str:
    from minidock.cli.format.listing import parse
    from minidock.cli.format.template_values import typed
    from minidock.cli.inspect_output import EXIT_TEMPLATE

    return parse("{{json .}}" if template == "json" else template, exit_code=EXIT_TEMPLATE).render(kind(typed(found)))


def _lines(found: dict[str, Any]) -> list[str]:
    """Docker's layout, and its names for what both have."""
    from minidock.explain.format_values import memory

    return [
        f"Containers: {found['Containers']}",
        f" Running: {found['ContainersRunning']}",
        f" Paused: {found['ContainersPaused']}",
        f" Stopped: {found['ContainersStopped']}",
        f"Images: {found['Images']}",
        f"Version: {found['ServerVersion']}",
        f"Python Version: {found['PythonVersion']}",
        f"Storage Driver: {found['Driver']}",
        *(f" {name}: {value}" for name, value in found["DriverStatus"]),
        f"Logging Driver: {found['LoggingDriver']}",
        f"Cgroup Driver: {found['CgroupDriver']}",
        f"Cgroup Version: {found['CgroupVersion']}",
        f"Kernel Version: {found['KernelVersion']}",
        f"Operating System: {found['OperatingSystem']}",
        f"OSType: {found['OSType']}",
        f"Architecture: {found['Architecture']}",
        f"CPUs: {found['NCPU']}",
        f"Total Memory: {memory(found['MemTotal'])}",
        f"Name: {found['Name']}",
        f"Root Dir: {found['DockerRootDir']}",
    ]


def _facts(found: dict[str, Any]) -> list[str]:
    """What a container needs of the kernel, by topic."""
    lines: list[str] = []
    topic = ""
    for fact in found["Facts"]:
        if fact["topic"] != topic:
            topic = fact["topic"]
            lines.append(f"{topic}:")
        lines.append(f"  {fact['name']:<24} {'yes' if fact['there'] else 'missing: ' + fact['why']}")
    return lines
