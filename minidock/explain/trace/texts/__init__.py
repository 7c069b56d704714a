"""The texts of the trace: one file per language, each with the same keys.

A step's title in the code is English and is the key of its texts. A language has

    STEPS      {title: (title in that language, one sentence that gives the reason for the step)}
    LABELS     {key: words of the trace itself}
    PROCESSES  {role of a process: its name}
    SHORT      {role of a process: its name in one word}

A title that a language lacks is shown as it is, without a reason; a test prevents that.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from minidock.named_tuple import NamedTuple

LANGUAGES = ("en", "fr")


class Texts(NamedTuple):
    """One language."""

    steps: dict[str, tuple[str, str]]
    labels: dict[str, str]
    processes: dict[str, str]
    short: dict[str, str]

    def step(self, title: str) -> tuple[str, str]:
        """A step's title and reason, in this language."""
        return self.steps.get(title, (title or self.labels["no_step"], ""))

    def is_step(self, part: str) -> bool:
        """Whether a step has `part` in its title, in this language or in English."""
        return any(part.lower() in title.lower() for row in self.steps.items() for title in (row[0], row[1][0]))

    def process(self, who: str) -> str:
        """The name of a process."""
        return self.processes.get(who, who)


def language(environ: Mapping[str, str]) -> str:
    """The language of messages, as setlocale(3) finds it: the first of three variables that is not empty decides."""
    name = next((environ[key] for key in ("LC_ALL", "LC_MESSAGES", "LANG") if environ.get(key)), "C")
    code = name.partition(".")[0].partition("_")[0].lower()
    return code if code in LANGUAGES else "en"


def load(code: str) -> Texts:
    """The texts of a language."""
    if code == "fr":
        from minidock.explain.trace.texts import fr

        steps = {key: (unbroken(title), unbroken(why)) for key, (title, why) in fr.STEPS.items()}
        return Texts(steps, {key: unbroken(words) for key, words in fr.LABELS.items()}, fr.PROCESSES, fr.SHORT)
    from minidock.explain.trace.texts import en

    return Texts({title: (title, why) for title, why in en.STEPS.items()}, en.LABELS, en.PROCESSES, en.SHORT)


def unbroken(words: str) -> str:
    """French has a space before : ; ? ! and inside its quotation marks, at which no line may end (U+00A0)."""
    return re.sub(r" (?=[:;?!»])|(?<=«) ", "\N{NO-BREAK SPACE}", words)


def here() -> Texts:
    """The texts in the language of this process's environment."""
    return load(language(os.environ))
