"""Every text of `build` that a person reads and docker does not have: why a step was or was not taken from the cache.

A line is (English, French), as in `explain/translations.py`; the keys are those of `build/reasons.py`.
"""

from __future__ import annotations

from minidock.explain.translations import filled

TEXTS: dict[str, tuple[str, str]] = {
    # a step that is in the cache
    "same": ("nothing it depends on has changed", "rien de ce dont elle dépend n'a changé"),
    "known": ("it was built from the same once before", "elle a déjà été construite à partir des mêmes données"),
    "imported": ("it is in the cache of {origin}", "elle est dans le cache de {origin}"),
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
    "part hostname": ("its host name", "son nom d'hôte"),
    "part privileged": ("whether it is privileged", "si elle est privilégiée"),
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
    # --explain
    "story": ("How it was built, and why", "Comment cela a été construit, et pourquoi"),
    "story book": (
        "book, chapter 3: 4.1 the cache of images, 4.2 the cache of builds",
        "livre, chapitre 3 : 4.1 principe du cache sur les images, 4.2 principe du cache à la compilation",
    ),
    "stage": ("Stage {name}", "Étape {name}"),
    "line": ("line {line}", "ligne {line}"),
    "how FROM": (
        "Nothing is copied: {layers}, to be read only, as lowerdir of the overlay in which what follows works.",
        "Rien n'est copié : {layers}, en lecture seule, en lowerdir de l'overlay où travaille la suite.",
    ),
    "how RUN": (
        "A container: namespaces and a cgroup of its own, an overlay with {layers} as lowerdir and an empty upperdir. "
        "What the command left in upperdir is layer {layer}: {content}.",
        "Un conteneur : ses espaces de noms, son cgroup, un overlay avec {layers} en lowerdir et un upperdir vide. "
        "Ce que la commande a laissé dans upperdir est la couche {layer} : {content}.",
    ),
    "how COPY": (
        "No container: the files are opened below {origin} (openat2, RESOLVE_IN_ROOT: no link leads out) and packed as "
        "layer {layer}: {content}.",
        "Pas de conteneur : les fichiers sont ouverts sous {origin} (openat2, RESOLVE_IN_ROOT : aucun lien n'en sort) "
        "et empaquetés en couche {layer} : {content}.",
    ),
    "how ADD": (
        "As COPY; an archive is unpacked, an address fetched first. Layer {layer}: {content}.",
        "Comme COPY ; une archive est d'abord extraite, une adresse téléchargée. Couche {layer} : {content}.",
    ),
    "how WORKDIR": (
        "Changes the configuration, and makes the directory where it is not there: layer {layer}: {content}.",
        "Modifie la configuration, et crée le répertoire s'il n'y est pas : couche {layer} : {content}.",
    ),
    "how config": (
        "Changes the configuration only: no layer, no time, nothing to be cached.",
        "Ne modifie que la configuration : ni couche, ni durée, rien à mettre en cache.",
    ),
    "how ENV": (
        "Changes the configuration only; its value is part of the key of each RUN below it.",
        "Ne modifie que la configuration ; sa valeur fait partie de la clé de chaque RUN qui suit.",
    ),
    "how ARG": (
        "A variable of the build only; its value is part of the key of each RUN below it.",
        "Une variable de la seule construction ; sa valeur fait partie de la clé de chaque RUN qui suit.",
    ),
    "origin context": ("the context", "le contexte"),
    "origin other": ("{name}", "{name}"),
    "one layer": ("one layer", "une couche"),
    "several layers": ("{count} layers", "{count} couches"),
    "no layers": ("no layers", "aucune couche"),
    "content": ("{files}, {size}", "{files}, {size}"),
    "took": ("{seconds}", "{seconds}"),
    "saved": ("from the cache, {seconds} saved", "du cache, {seconds} gagnées"),
    "next": ("In the cache next time while {what}.", "Dans le cache la prochaine fois tant que {what}."),
    "next base": ("{name} names the image it names now", "{name} désigne l'image qu'il désigne aujourd'hui"),
    "next parent": ("line {line} is", "la ligne {line} l'est"),
    "next files": (
        "{count} files keep their content, mode and names (their dates do not count)",
        "{count} fichiers gardent contenu, droits et noms (leurs dates ne comptent pas)",
    ),
    "next file": (
        "{file} keeps its content and mode (its date does not count)",
        "{file} garde contenu et droits (sa date ne compte pas)",
    ),
    "next text": ("the command stays the same text", "la commande reste le même texte"),
    "next variables": ("{names} keep their values", "{names} gardent leurs valeurs"),
    "next variable": ("{names} keeps its value", "{names} garde sa valeur"),
    "and": (" and ", " et "),
    "clock": (
        "What the command fetches (apt-get update, curl ...) is not looked at: the same text counts as the same thing.",
        "Ce que la commande va chercher (apt-get update, curl ...) n'est pas regardé : même texte, même chose.",
    ),
    # order of lines
    "order": ("Order of the lines (book, chapter 3, 4.3.4)", "Ordonnancement des commandes (livre, chapitre 3, 4.3.4)"),
    "order saved": (
        "{stage}: because of {line} {now} were spent here; in this order it would have been {then}, {saved} less:",
        "{stage} : à cause de {line}, {now} ont été passées ici ; dans cet ordre, {then}, soit {saved} de moins :",
    ),
    "order next": (
        "{stage}: should a file of {line} change, {now} are to be done again; in this order {then}, {saved} less:",
        "{stage} : si un fichier de {line} change, {now} seront à refaire ; dans cet ordre, {then}, {saved} de moins :",
    ),
    "order added": (
        "(+ is new: what the command below it needs by its words. Try it: only a build can prove it.)",
        "(+ est nouvelle : ce dont la commande suivante a besoin d'après ses mots. À essayer : un build le prouve.)",
    ),
    "order good": (
        "No other order of the lines would have saved time, as far as their words tell.",
        "Aucun autre ordre des lignes n'aurait fait gagner du temps, autant que leurs mots le disent.",
    ),
    "part other": ("something else of it", "autre chose"),
}


def say(key: str, **values: object) -> str:
    """The text for `key` in the user's language, with `values` in its places."""
    return filled(TEXTS.get(key) or TEXTS["part other"], values)
