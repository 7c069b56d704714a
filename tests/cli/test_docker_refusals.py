"""Wrong arguments end as with docker 28's client: by its exit code and in its words.

docker_refusals.json has what docker answered (client 28.2, of the values of create's flags 26.1), asked with daemon
26.1 beside it: the words, its exit code, and its line from the first to the last letter that are not of a daemon's.
None of them gets so far that anything is made.
"""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest

from minidock.cli.click_errors import complaint
from minidock.cli.click_groups import cli
from minidock.cli.flag_spelling import understood
from minidock.errors import MinidockError

TABLE: dict[str, tuple[int, str]] = json.loads((Path(__file__).parent / "docker_refusals.json").read_text())


def answer(words: list[str]) -> tuple[str, int]:
    """What minidock has against a command line, and its exit code; the command line is read in this process."""
    try:
        cli.main(args=understood(cli, words), prog_name="minidock", standalone_mode=False)
    except click.ClickException as error:
        return complaint(error)
    except MinidockError as error:
        return str(error), error.exit_code
    return "", 0


@pytest.mark.parametrize("words", TABLE)
def test_as_docker(words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIDOCK_ROOT", str(tmp_path / "root"))
    code, said = TABLE[words]
    line, own_code = answer(json.loads(words))
    assert said in line
    assert own_code == code
    assert not (tmp_path / "root" / "containers").exists()
