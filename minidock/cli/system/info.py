"""`minidock info`: show what there is, and what this host's kernel offers to containers."""

from __future__ import annotations

from typing import Any

from minidock.cli import usage
from minidock.cli.commands import HELP
from minidock.cli.echo import echo
from minidock.cli.format.single import FORMAT, formatted
from minidock.cli.format.template_values import Fields
from minidock.engine.state_paths import Paths


@usage.command(context_settings=HELP)
@FORMAT
@usage.pass_paths
def info(paths: Paths, template: str | None) -> None:
    """Show what there is, what this host's kernel offers to containers, what is missing, and why that matters."""
    from minidock.engine.container import recovery
    from minidock.engine.inspect import info

    recovery.sweep_all(paths.root)
    found = info.info(paths.root)
    echo(
        formatted(template, _Info, found)
        if template
        else "\n".join([*_lines(found), *_facts(found), *_remedies(found)])
    )


class _Info(Fields):
    go_type = "system.dockerInfo"


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


def _remedies(found: dict[str, Any]) -> list[str]:
    """How to get what is missing: a line for each way."""
    names: dict[str, list[str]] = {}
    for fact in found["Facts"]:
        if not fact["there"] and fact["remedy"]:
            names.setdefault(fact["remedy"], []).append(fact["name"])
    lines = [f"  {', '.join(missing)}: {remedy}" for remedy, missing in names.items()]
    return ["To get what is missing:", *lines] if lines else []
