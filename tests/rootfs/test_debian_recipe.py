"""The debian recipe where it cannot work: one line, and nothing left. What it makes, the pages of chapter 5 use."""

from pathlib import Path

from tests.rootfs.recipes import refused, run


def tool(directory: Path, text: str) -> dict[str, str]:
    """An environment in which `text` is the shell script `mmdebstrap`."""
    directory.mkdir()
    if text:
        (directory / "mmdebstrap").write_text(f"#!/bin/sh\n{text}\n")
        (directory / "mmdebstrap").chmod(0o755)
    return {"PATH": f"{directory}:/bin" if text else str(directory)}


def test_the_tool_is_missing_or_fails(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    output = tmp_path / "out" / "debian.tar.gz"
    assert "apt install mmdebstrap" in refused(run("debian", output, env=tool(tmp_path / "none", "")), output)
    failing = tool(tmp_path / "failing", "echo half; echo E: no mirror answers >&2; exit 7")
    assert refused(run("debian", output, env=failing), output) == "debian: mmdebstrap failed: E: no mirror answers"


def test_its_end_by_a_signal_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    output = tmp_path / "out" / "debian.tar.gz"
    # The recipe is the tool's parent.
    stopping = tool(tmp_path / "stopping", "echo half > $TMPDIR/made; kill -TERM $PPID; exec sleep 100")
    assert "SIGTERM" in refused(run("debian", output, env=stopping), output)
