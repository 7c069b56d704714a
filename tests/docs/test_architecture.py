"""The map of the code is what the code says, and the files that it names are there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]


def test_the_map_is_made_from_the_code_of_today() -> None:
    command = [sys.executable, CHECKOUT / "docs/architecture_map.py", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_places_that_it_names_are_there() -> None:
    page = (CHECKOUT / "docs/architecture.md").read_text()
    named = set(re.findall(r"`((?:cli|engine|network|build|explain)/[\w/.]+)`", page))
    assert len(named) > 10
    assert [path for path in sorted(named) if not (CHECKOUT / "minidock" / path).exists()] == []
