"""The styles of `--explain` by their names: full, brief, json, step, shell."""

from __future__ import annotations

from minidock.explain.trace import texts
from minidock.explain.trace.block_style import BlockStyle
from minidock.explain.trace.style import Style
from minidock.explain.trace.trace_output import Output


def create_style(style: str, file: str) -> Style:
    """The style of that name, writing to `file`, or to standard error if that is ''."""
    output = Output(file)
    if style == "json":
        from minidock.explain.trace.jsonl import JsonStyle

        return JsonStyle(output)
    if style == "shell":
        from minidock.explain.trace.script import ScriptStyle

        return ScriptStyle(output)
    if style == "step":
        from minidock.explain.trace.stepping import StepStyle

        return StepStyle(output, texts.here())
    return BlockStyle(output, texts.here(), brief=style == "brief")
