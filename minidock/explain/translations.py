"""All texts of `xray` and `layers`, each with its translations.

A row is (English, French); another language is another column, in the order of `LANGUAGES`. The language is chosen as
for `--explain`. The kernel's own terms (veth, upperdir, cgroup files) are not translated.
"""

from __future__ import annotations

import os

from minidock.explain.trace import texts
from minidock.explain.trace.texts import LANGUAGES

TEXTS: dict[str, tuple[str, str]] = {
    # layers
    "layer": ("layer", "couche"),
    "layers": ("Layers", "Couches"),
    "size": ("size", "taille"),
    "adds": ("adds", "ajoute"),
    "changes": ("changes", "modifie"),
    "hides": ("hides", "masque"),
    "created by": ("created by", "créée par"),
    "added": ("added", "ajouté"),
    "changed": ("changed", "modifié"),
    "hidden": ("hidden", "masqué"),
    "content": ("content changed", "contenu modifié"),
    "attributes": ("only owner, mode or date changed", "seuls le propriétaire, les droits ou la date changent"),
    "kind": ("now of another kind", "change de nature"),
    "whiteout": ("deleted by a whiteout", "supprimé par un whiteout"),
    "opaque": ("hidden by an opaque directory", "masqué par un répertoire opaque"),
    "replaced": ("a file took the directory's place", "un fichier a pris la place du répertoire"),
    "nothing": ("nothing", "rien"),
    "and more": ("… and {count} more (--all shows them)", "… et {count} de plus (--all les montre)"),
    "of them inside": ("{count} entries", "{count} entrées"),
    "sum of layers": (
        "{size} in {count} layers, of which {hidden} cannot be seen any more",
        "{size} en {count} couches, dont {hidden} que plus rien ne montre",
    ),
    "sum of one layer": ("{size} in one layer", "{size} en une couche"),
    "comes from": ("{path} comes from layer {layer}", "{path} vient de la couche {layer}"),
    "is hidden": ("{path} is in no container of this image", "{path} n'est dans aucun conteneur de cette image"),
    "points to": ("a link to {target}", "un lien vers {target}"),
    "asked for": ("({asked} leads there)", "({asked} y mène)"),
    "file": ("{count} file", "{count} fichier"),
    "files": ("{count} files", "{count} fichiers"),
    # xray: the container as a whole
    "container": ("container", "conteneur"),
    "host": ("host", "hôte"),
    "status running": ("running", "en marche"),
    "status paused": ("paused", "en pause"),
    "status restarting": ("restarting", "redémarre"),
    "status created": ("created", "créé"),
    "status removing": ("being removed", "en suppression"),
    "status dead": ("dead", "mort"),
    "status exited": ("exited", "terminé"),
    "exited with": ("exited ({code})", "terminé ({code})"),
    "image": ("image", "image"),
    "id": ("id", "identifiant"),
    "first process": ("first process", "premier processus"),
    "up": ("up {time}", "depuis {time}"),
    "host name": ("host name", "nom d'hôte"),
    "stopped": (
        "No process is left of it: no namespaces, no control group, no cable. What remains are files: the layers, and "
        "the writable top with all that it changed.",
        "Il n'en reste aucun processus : ni espaces de noms, ni groupe de contrôle, ni câble. Restent des fichiers : "
        "les couches, et la couche inscriptible avec tout ce qu'il a modifié.",
    ),
    "not begun": (
        "It has not been started: there are files, and nothing in the kernel yet.",
        "Il n'a pas été démarré : il y a des fichiers, et encore rien dans le noyau.",
    ),
    # namespaces
    "namespaces": ("Namespaces", "Espaces de noms"),
    "namespaces why": (
        "What the container sees. Equal numbers, same namespace.",
        "Ce que voit le conteneur. Mêmes numéros, même espace de noms.",
    ),
    "own": ("own", "propre"),
    "shared": ("the host's", "celui de l'hôte"),
    "with": ("also {names}", "aussi {names}"),
    "inside": ("inside", "dedans"),
    "outside": ("outside", "dehors"),
    "ns mount": ("the files it sees", "les fichiers qu'il voit"),
    "ns pid": ("its processes, from 1 on", "ses processus, à partir de 1"),
    "ns network": ("interfaces, addresses, ports", "interfaces, adresses, ports"),
    "ns uts": ("its host name", "son nom d'hôte"),
    "ns ipc": ("shared memory, queues", "mémoire partagée, files"),
    "ns cgroup": ("its place among groups", "sa place parmi les groupes"),
    "ns user": ("who its root is", "qui est son root"),
    "ns time": ("clocks since boot", "horloges depuis le démarrage"),
    "ids": ("user {inside} inside is {outside} outside", "l'utilisateur {inside} dedans est {outside} dehors"),
    # processes
    "processes": ("Processes", "Processus"),
    "processes why": (
        "Ordinary processes of the host, under other numbers inside.",
        "Des processus ordinaires de l'hôte, sous d'autres numéros à l'intérieur.",
    ),
    "user": ("user", "utilisateur"),
    "memory": ("memory", "mémoire"),
    "cpu time": ("cpu time", "temps cpu"),
    "command": ("command", "commande"),
    "visitor": ("came in from outside", "venu de l'extérieur"),
    "more processes": ("… and {count} more", "… et {count} de plus"),
    # control group
    "cgroup": ("Control group", "Groupe de contrôle"),
    "cgroup why": ("How much it may use, and uses.", "Ce qu'il peut consommer, et consomme."),
    "no cgroup": ("No cgroup v2 hierarchy is mounted.", "Aucune hiérarchie cgroup v2 n'est montée."),
    "no limit": ("no limit", "sans limite"),
    "of": ("{used} of {limit}", "{used} sur {limit}"),
    "processor": ("processor", "processeur"),
    "processors": ("{count} processor|{count} processors", "{count} processeur|{count} processeurs"),
    "used": ("{time} used", "{time} consommées"),
    "throttled": (
        "held back {time} in {count} period|held back {time} in {count} periods",
        "freiné {time} en {count} période|freiné {time} en {count} périodes",
    ),
    "processes and threads": ("processes and threads", "processus et threads"),
    "refused forks": ("{count} fork refused|{count} forks refused", "{count} fork refusé|{count} forks refusés"),
    "oom": ("killed for want of memory: {count}", "tué faute de mémoire : {count}|tués faute de mémoire : {count}"),
    "peak": ("peak {size}", "pointe {size}"),
    "disk": ("disk", "disque"),
    "read": ("read", "lu"),
    "written": ("written", "écrit"),
    "resident sum": (
        "not counted here; its processes hold {size} (shared pages counted more than once)",
        "non compté ici ; ses processus occupent {size} (pages partagées comptées plusieurs fois)",
    ),
    "missing controllers": (
        "Not available on this host, so neither limited nor counted: {names}",
        "Absents de cet hôte, donc ni limités ni comptés : {names}",
    ),
    "frozen": ("frozen", "gelé"),
    "pressure": (
        "waited for {share:.0f} % of the last 10\N{NO-BREAK SPACE}s",
        "attendue {share:.0f} % des 10 dernières\N{NO-BREAK SPACE}s",
    ),
    # layers
    "stack": ("Layers", "Couches"),
    "stack why": (
        "Read-only layers, shared by all containers of the image; all changes go to the writable top.",
        "Des couches en lecture seule, communes à tous les conteneurs de l'image ; tout changement va à la couche "
        "inscriptible.",
    ),
    "writable top": ("writable top", "couche inscriptible"),
    "read-only root": ("read-only root: nothing can be written", "racine en lecture seule : rien ne s'y écrit"),
    "image layer": ("layer {number}", "couche {number}"),
    "and more layers": ("… {count} more layers …", "… {count} couches de plus …"),
    "counts": (
        "{added} added, {changed} changed, {hidden} hidden",
        "ajouts : {added}, modifications : {changed}, suppressions : {hidden}",
    ),
    "unreadable": (
        "{count} directory too deep to look at|{count} directories too deep to look at",
        "{count} répertoire trop profond pour être lu|{count} répertoires trop profonds pour être lus",
    ),
    "and more paths": ("… and {count} more", "… et {count} de plus"),
    # network
    "network": ("Network", "Réseau"),
    "network own": ("A network of its own, and a cable out.", "Un réseau à lui, et un câble vers l'extérieur."),
    "network host": (
        "The host's own network: nothing is separated.",
        "Le réseau de l'hôte lui-même : rien n'est séparé.",
    ),
    "network none": (
        "A network of its own with only the loopback interface: nobody outside can be reached.",
        "Un réseau à lui avec la seule interface de bouclage : personne n'est joignable.",
    ),
    "network shared": (
        "The same network as {names}: one address, one set of ports.",
        "Le même réseau que {names} : une adresse, un jeu de ports.",
    ),
    "cable": ("cable (veth)", "câble (veth)"),
    "network called": ("network {name}", "réseau {name}"),
    "no cable": ("no cable comes in here", "aucun câble n'arrive ici"),
    "bridge": ("bridge", "pont"),
    "switch": ("software switch", "commutateur logiciel"),
    "masquerade": ("masquerade: goes out as {address}", "masquerade : sort comme {address}"),
    "no masquerade": (
        "no rule lets it out under the host's address",
        "aucune règle ne le fait sortir avec l'adresse de l'hôte",
    ),
    "direct": ("goes out under its own address", "sort avec sa propre adresse"),
    "no uplink": ("the host has no default route", "l'hôte n'a pas de route par défaut"),
    "no filter": ("the packet filter cannot be read: {why}", "le filtre de paquets est illisible : {why}"),
    "world": ("the world", "le monde"),
    "address": ("Addresses", "Adresses"),
    "published": ("published", "publié"),
    "published ports": ("Published ports", "Ports publiés"),
    "listening": ("Listening inside", "À l'écoute dedans"),
    "nameservers": ("Name servers", "Serveurs de noms"),
    "dropped": ("{count} dropped", "{count} perdu|{count} perdus"),
    "packets": ("{count} packet|{count} packets", "{count} paquet|{count} paquets"),
    "down": ("down", "inactive"),
    # rights
    "rights": ("Rights", "Droits"),
    "rights why": (
        "What its root may do: docker's choice of {count} capabilities, unless asked otherwise.",
        "Ce que peut son root : le choix de docker, {count} capacités, sauf demande contraire.",
    ),
    "bounding": ("the most it can ever have", "le maximum qu'il puisse jamais avoir"),
    "effective": ("in force", "en vigueur"),
    "ambient": ("kept by programs without root", "gardées par les programmes sans root"),
    "lacking": ("taken away", "retirées"),
    "extra": ("added", "ajoutées"),
    "none": ("none", "aucune"),
    "all of them": (
        "all {count}: as powerful as the host's root",
        "toutes ({count}) : aussi puissant que le root de l'hôte",
    ),
    "same as bounding": ("the same {count}", "les mêmes {count}"),
    "capability held": ("held", "détenue"),
    "capability bounded": ("allowed, not in force", "permise, pas en vigueur"),
    "capability denied": ("denied", "refusée"),
    "capability unusual": ("not docker's choice", "pas le choix de docker"),
    "seccomp": ("system calls", "appels système"),
    "seccomp filter": (
        "filtered by {count} program|filtered by {count} programs",
        "filtrés par {count} programme|filtrés par {count} programmes",
    ),
    "seccomp strict": ("only read, write, exit", "seulement read, write, exit"),
    "seccomp disabled": ("all allowed: no filter", "tous permis : aucun filtre"),
    "no_new_privs": ("set-uid programs", "programmes set-uid"),
    "nnp yes": ("gain nothing (no_new_privs)", "ne gagnent rien (no_new_privs)"),
    "nnp no": ("work as usual", "fonctionnent"),
    "label": ("security label", "étiquette de sécurité"),
    # mounts, limits
    "mounts": ("Mounts", "Montages"),
    "mounts why": (
        "All that it sees of files, and what was covered up.",
        "Tout ce qu'il voit de fichiers, et ce qui a été couvert.",
    ),
    "path": ("path", "chemin"),
    "type": ("type", "type"),
    "from host": ("from the host: {path}", "de l'hôte : {path}"),
    "role root": ("root: the layers", "racine : les couches"),
    "role kernel": ("made by the kernel", "fait par le noyau"),
    "role device": ("devices", "périphériques"),
    "role bind": ("from the host", "de l'hôte"),
    "role memory": ("in memory", "en mémoire"),
    "role masked": ("covered up", "couvert"),
    "role protected": ("protected from writing", "protégé en écriture"),
    "process": ("First process", "Premier processus"),
    "program": ("program", "programme"),
    "directory": ("directory", "répertoire"),
    "open files": ("open files", "fichiers ouverts"),
    "limits": ("Resource limits", "Limites de ressources"),
    "limits why": (
        "Of each process by itself (getrlimit), whatever its group may use.",
        "De chaque processus pris à part (getrlimit), quoi que puisse son groupe.",
    ),
    "limit": ("limit", "limite"),
    "soft": ("now", "actuelle"),
    "hard": ("at most", "au plus"),
    # the page
    "page title": ("{name}: a container x-rayed", "{name} : un conteneur radiographié"),
    "live": ("live", "en direct"),
    "still": ("as it was at {time}", "tel qu'à {time}"),
    "lost": ("no answer from minidock any more", "minidock ne répond plus"),
    "gone": ("the container was removed", "le conteneur a été supprimé"),
    "serving": ("X-ray of {name}: {url} (Ctrl-C ends it)", "Radiographie de {name} : {url} (Ctrl-C pour finir)"),
}


def language() -> str:
    """The language of the user's locale, or English."""
    return texts.language(os.environ)


def say(key: str, **values: object) -> str:
    """The text for `key` in the user's language, with `values` inserted."""
    return filled(TEXTS[key], values)


def filled(row: tuple[str, str], values: dict[str, object]) -> str:
    """A row's text in the user's language. Where it has two forms ("1 file|{count} files"), `count` chooses.

    In English one thing is singular, in French everything below two.
    """
    code = language()
    pattern = row[LANGUAGES.index(code)]
    if "|" in pattern:
        one, several = pattern.split("|")
        pattern = one if _is_singular(str(values["count"]), code) else several
    text = pattern.format(**values) if values else pattern
    return texts.unbroken(text) if code == "fr" else text


def _is_singular(count: str, code: str) -> bool:
    try:
        number = float(count)
    except ValueError:  # of thousands, with spaces
        return False
    return number < 2 if code == "fr" else number == 1
