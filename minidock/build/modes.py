"""--chmod: permissions as a number, or as changes in chmod(1)'s words (reference, "COPY --chmod")."""

from __future__ import annotations

import re

from minidock.image.dockerfile.dockerfile_errors import DockerfileError

_CHANGE = re.compile(r"([ugoa]*)((?:[-+=][rwxXst]*)+)")
_ACTION = re.compile(r"([-+=])([rwxXst]*)")
_SHIFTS = {"u": 6, "g": 3, "o": 0}
_BITS = {"r": 4, "w": 2, "x": 1}


def changed(text: str, mode: int, *, is_directory: bool) -> int:
    """The permission bits (12 of them) that a file of `mode` gets. Raises `DockerfileError`."""
    if re.fullmatch(r"[0-7]{1,5}", text):
        number = int(text, 8)
        if number > 0o7777:
            raise DockerfileError(
                f"invalid chmod parameter: '{text}'. it should be octal string and between 0 and 07777"
            )
        return number
    bits = mode & 0o7777
    for clause in text.split(","):
        match = _CHANGE.fullmatch(clause)
        if not match:
            raise DockerfileError(
                f"invalid chmod parameter: '{text}'. it should be octal string and between 0 and 07777"
            )
        who = set(match[1].replace("a", "ugo")) or set("ugo")
        for action, letters in _ACTION.findall(match[2]):
            bits = _applied(bits, who, action, letters, is_directory=is_directory)
    return bits


def _applied(bits: int, who: set[str], action: str, letters: str, *, is_directory: bool) -> int:
    mask = wanted = 0
    execute = "x" in letters or ("X" in letters and (is_directory or bool(bits & 0o111)))
    for letter in who:
        shift = _SHIFTS[letter]
        mask |= 7 << shift
        wanted |= (sum(_BITS[each] for each in set(letters) & {"r", "w"}) | execute) << shift
    if "s" in letters:
        wanted |= 0o4000 * ("u" in who) | 0o2000 * ("g" in who)
    if "t" in letters:
        wanted |= 0o1000
    if action == "+":
        return bits | wanted
    return bits & ~wanted if action == "-" else bits & ~mask | wanted
