"""Short names for the long paths of one container: its id of 64 digits is in nearly every line.

A path that ends in an id is shown as a variable ($C, $L, ...), in calls and commands alike. It is defined, in the
shell's syntax, before it is used, so that the commands can be copied along with the definition.
"""

from __future__ import annotations

import re

_PATH = re.compile(r"/[\w./-]*/(?:\.removing-)?[0-9a-f]{64}(?![0-9a-f])")
_LETTERS = {"containers": "C", "layers": "L", "minidock": "G", "networks": "N", "volumes": "V"}


class Names:
    """The variables defined so far."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}

    def shorten(self, text: str) -> tuple[list[str], str]:
        """The definitions of new variables in `text`, and `text` with variables for such paths."""
        new = []
        for path in sorted(set(_PATH.findall(text)), key=text.index):
            if path not in self.known:
                self.known[path] = self._variable(path)
                new.append(f"{self.known[path]}={path}")
        return new, _PATH.sub(lambda match: f"${self.known[match[0]]}", text)

    def _variable(self, path: str) -> str:
        above, _, name = path.rpartition("/")
        letter = "R" if name.startswith(".") else _LETTERS.get(above.rpartition("/")[2], "P")
        taken = set(self.known.values())
        numbered = (f"{letter}{number}" for number in range(2, 1000))
        return letter if letter not in taken else next(name for name in numbered if name not in taken)
