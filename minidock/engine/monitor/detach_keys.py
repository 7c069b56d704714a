"""The keys that detach from a container without ending it (docker's --detach-keys): by default ctrl-p ctrl-q."""

from __future__ import annotations

from minidock.errors import EXIT_ENGINE, UsageError

DEFAULT = "ctrl-p,ctrl-q"
_CONTROL = {chr(code + 96): code for code in range(1, 27)} | {"@": 0, "[": 27, "\\": 28, "]": 29, "^": 30, "_": 31}


class DetachKeys:
    """Finds a sequence of keys in typed input. The keys of a beginning are held back until the next key decides."""

    def __init__(self, sequence: bytes) -> None:
        self.sequence = sequence
        self._matched = 0

    def pass_on(self, data: bytes) -> tuple[bytes, bool]:
        """The part of the typed `data` that is for the container, and whether the sequence is complete."""
        if not self._matched and self.sequence[:1] not in data:
            return data, False
        passed = bytearray()
        for byte in data:
            if byte != self.sequence[self._matched]:
                passed += self.sequence[: self._matched]
                self._matched = 0
            if byte == self.sequence[self._matched]:
                self._matched += 1
                if self._matched == len(self.sequence):
                    return bytes(passed), True
            else:
                passed.append(byte)
        return bytes(passed), False


def parse(text: str) -> bytes:
    """Docker's notation: keys with commas between them, each one character or ctrl- and one of a-z @ [ \\ ] ^ _."""
    keys = bytearray()
    for key in (text or DEFAULT).split(","):
        if key == "DEL":
            keys.append(127)
        elif len(key) == 1 and key.isascii():
            keys.append(ord(key))
        elif key.startswith("ctrl-") and key[5:].lower() in _CONTROL:
            keys.append(_CONTROL[key[5:].lower()])
        else:
            raise UsageError(f"invalid detach keys ({text}): Unknown character: '{key}'", exit_code=EXIT_ENGINE)
    return bytes(keys)
