"""Every text of `build` that a person reads and docker does not have: why a step was or was not taken from the cache.

A line is (English, French), as in `explain/translations.py`; the keys are those of `build/reasons.py`.
"""

from __future__ import annotations

from minidock.explain.trace.texts import LANGUAGES
from minidock.explain.translations import language

TEXTS: dict[str, tuple[str, str]] = {
    # a step that is in the cache
    "same": ("nothing it depends on has changed", "rien de ce dont elle dépend n'a changé"),
    "known": ("it was built from the same once before", "elle a déjà été construite à partir des mêmes données"),
    # a step that is not
    "first time": ("it is built for the first time", "elle est construite pour la première fois"),
    "--no-cache": ("--no-cache", "--no-cache"),
    "no longer kept": ("it is no longer in the cache", "elle n'est plus dans le cache"),
    "unfinished": ("it did not come to its end last time", "elle n'est pas allée à son terme la dernière fois"),
    "new line": ("the line is new", "la ligne est nouvelle"),
    "line changed": ("the line has changed, it was: {old}", "la ligne a changé, c'était : {old}"),
    "line gone": ("the line before it is gone: {old}", "la ligne qui la précédait n'est plus là : {old}"),
    "moved": ("it follows {new}, and followed {old}", "elle suit {new}, et suivait {old}"),
    "parent": ("a step before it is another", "une étape précédente est différente"),
    "after": ("{step} (line {line}): {why}", "{step} (ligne {line}) : {why}"),
    "after trigger": ("{step} (ONBUILD): {why}", "{step} (ONBUILD) : {why}"),
    "image": ("the image {id}", "l'image {id}"),
    "base": ("it is {new} now, and was {old}", "c'est maintenant {new}, c'était {old}"),
    # which file, and what of it
    "file changed": ("{file} has changed", "{file} a changé"),
    "file line": ("{file} changed at line {line}", "{file} a changé à la ligne {line}"),
    "file lines": ("{file} changed at lines {line} to {last}", "{file} a changé aux lignes {line} à {last}"),
    "file new": ("{file} is new", "{file} est nouveau"),
    "file gone": ("{file} is gone", "{file} n'est plus là"),
    "file mode": ("{file} has mode {new}, and had {old}", "{file} a le mode {new}, et avait {old}"),
    "file owner": (
        "{file} belongs to {new}, and belonged to {old}",
        "{file} appartient à {new}, et appartenait à {old}",
    ),
    "file kind": ("{file} is a {new}, and was a {old}", "{file} est maintenant : {new} ; c'était : {old}"),
    "kind file": ("file", "fichier"),
    "kind directory": ("directory", "répertoire"),
    "kind link": ("symbolic link", "lien symbolique"),
    "kind other": ("special file", "fichier spécial"),
    "one": ("{first}, and one more", "{first}, et un autre"),
    "more": ("{first}, and {count} more", "{first}, et {count} autres"),
    # which variable, which other part of the key
    "variable": ("{kind} {name} is {new}, and was {old}", "{kind} {name} vaut {new}, et valait {old}"),
    "variable set": (
        "{kind} {name} is {value}, and was not set",
        "{kind} {name} vaut {value}, et n'avait pas de valeur",
    ),
    "variable unset": (
        "{kind} {name} is not set, and was {value}",
        "{kind} {name} n'a pas de valeur, et valait {value}",
    ),
    "here-document": ("its here-document changed at line {line}", "son here-document a changé à la ligne {line}"),
    "part": ("{name} is {new}, and was {old}", "{name} : {new}, et c'était {old}"),
    "part run": ("what is run", "ce qui est exécuté"),
    "part script": ("its script", "son script"),
    "part user": ("its user", "son utilisateur"),
    "part directory": ("its directory", "son répertoire"),
    "part network": ("its network", "son réseau"),
    "part mounts": ("what it mounts", "ce qu'elle monte"),
    "part target": ("its target", "sa destination"),
    "part owner": ("the owner", "le propriétaire"),
    "part mode": ("the mode", "le mode"),
    "part into": ("whether its target is a directory", "si sa destination est un répertoire"),
    "part workdir": ("the directory", "le répertoire"),
    "part files": ("its files", "ses fichiers"),
    "part epoch": ("SOURCE_DATE_EPOCH", "SOURCE_DATE_EPOCH"),
    "part limits": ("what it may use", "ce qu'elle peut consommer"),
    "part other": ("something else of it", "autre chose"),
}


def say(key: str, **values: object) -> str:
    """The text for `key` in the user's language, with `values` in its places."""
    pattern = (TEXTS.get(key) or TEXTS["part other"])[LANGUAGES.index(language())]
    return pattern.format(**values) if values else pattern
