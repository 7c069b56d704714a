"""Values as text: sizes, times, and texts from elsewhere, escaped."""

from __future__ import annotations

import os
import unicodedata

from minidock.explain.trace import texts

_NO_BREAK = "\N{NO-BREAK SPACE}"


def text(value: str) -> str:
    """`value` on one line, with control characters and bytes that are not UTF-8 escaped (\\n, \\x1b).

    File names, command lines and names of interfaces may contain anything: unescaped, they could move a terminal's
    cursor, or reverse the text around them (Unicode category Cf: "trojan source").
    """
    if value.isascii() and value.isprintable():
        return value
    return "".join(map(_character, value))


def _character(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # surrogateescape (PEP 383): a byte that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp"):
        return character.encode("unicode_escape").decode("ascii")
    return character


def size(count: float) -> str:
    """Bytes as docker writes sizes of images: three digits, powers of 1000."""
    value, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB", "PB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return _with_unit(f"{value:.3g}" if unit == "B" or value < 999.5 else f"{value:.0f}", unit)


def memory(count: float) -> str:
    """Bytes as docker writes memory: four digits, powers of 1024 (github.com/docker/go-units, BytesSize)."""
    value, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB", "PiB"):
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return _with_unit(f"{value:.4g}", unit)


def number(count: int) -> str:
    """A count with its thousands apart."""
    return f"{count:,}".replace(",", _NO_BREAK) if count >= 10_000 else str(count)


def seconds(count: float) -> str:
    """A length of time: 0.04 s, 12 s, 3 min 20 s, 2 h 5 min, 3 d 4 h."""
    whole = int(count)
    if count < 10:
        return _localized(f"{count:.2g} s" if count < 1 else f"{count:.1f} s")
    for unit, name, below, below_name in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= unit:
            return _localized(f"{whole // unit} {name} {whole % unit // below} {below_name}")
    return _localized(f"{whole} s")


def _with_unit(value: str, unit: str) -> str:
    """In English as docker writes it; in French a byte is an octet, and the unit stands apart."""
    return _localized(f"{value} {unit.replace('B', 'o')}") if _is_french() else f"{value}{unit}"


def _localized(words: str) -> str:
    """Numbers and units as the user's language writes them: in French 1,5 s and 3 j, on one line."""
    if not _is_french():
        return words
    return _NO_BREAK.join("j" if word == "d" else word.replace(".", ",") for word in words.split())


def _is_french() -> bool:
    return texts.language(os.environ) == "fr"
