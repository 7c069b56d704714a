"""The book's sections that the code names (`step("...", book="3.1")`): Jean-Philippe Gouigoux, « Docker : prise en main
et mise en pratique sur une architecture micro-services », ENI.

Each chapter of the book begins with section 1, so a number alone is ambiguous. A number in the code means the chapter
that this table gives for it; "chapter 7, 2.1" names its chapter.
"""

from __future__ import annotations

from minidock.named_tuple import NamedTuple


class Section(NamedTuple):
    """A section: its chapter, its number and title as printed, and its page."""

    chapter: str
    number: str
    title: str
    page: int


_INTRODUCTION = "Introduction à Docker"
_FIRST_STEPS = "Premiers pas"
_ARCHITECTURE = "Mise en œuvre d'une architecture logicielle"

SECTIONS = {
    "2.2.1": Section(_FIRST_STEPS, "2.2.1", "Récupération de l'image", 78),
    "2.2.2": Section(_FIRST_STEPS, "2.2.2", "Anatomie de l'image obtenue", 79),
    "2.2.3": Section(_FIRST_STEPS, "2.2.3", "Lancement du processus", 82),
    "2.2.4": Section(_FIRST_STEPS, "2.2.4", "Arrêt du conteneur", 84),
    "3.1": Section(_INTRODUCTION, "3.1", "Namespaces", 24),
    "3.2": Section(_INTRODUCTION, "3.2", "Cgroups", 26),
    "3.3": Section(_INTRODUCTION, "3.3", "LXC", 26),
    "3.4": Section(_INTRODUCTION, "3.4", "Libcontainer", 27),
    "3.5": Section(_INTRODUCTION, "3.5", "Système de fichiers en couches", 29),
    "3.5.1": Section(_INTRODUCTION, "3.5.1", "Principe d'isolation des fichiers", 29),
    "3.5.2": Section(_INTRODUCTION, "3.5.2", "Approche par virtualisation", 29),
    "3.5.3": Section(_INTRODUCTION, "3.5.3", "Utilité des systèmes de fichiers en couches", 30),
    "3.5.4": Section(_INTRODUCTION, "3.5.4", "Gestion des modifications de fichiers", 32),
    "3.5.5": Section(_INTRODUCTION, "3.5.5", "Dernière couche en écriture", 34),
    "3.5.6": Section(_INTRODUCTION, "3.5.6", "Technologies utilisées", 35),
    "4.1.1": Section(_ARCHITECTURE, "4.1.1", "Mode de fonctionnement standard (bridge)", 393),
    "4.1.2": Section(_ARCHITECTURE, "4.1.2", "Modes de fonctionnement alternatifs", 396),
    "4.1.3": Section(_ARCHITECTURE, "4.1.3", "Support des liens entre conteneurs", 399),
    "4.1.4": Section(_ARCHITECTURE, "4.1.4", "Autres options", 401),
    "4.2.2": Section(_ARCHITECTURE, "4.2.2", "Les volumes comme solution simple", 402),
    "4.2.3": Section(_ARCHITECTURE, "4.2.3", "Lien direct sur un répertoire local", 403),
    "4.2.5": Section(_ARCHITECTURE, "4.2.5", "Gestion des volumes orphelins", 406),
    "4.2.7": Section(_ARCHITECTURE, "4.2.7", "Application à la gestion des logs", 408),
    "4.4": Section(_FIRST_STEPS, "4.4", "Lancement en mode interactif", 128),
    "4.5": Section(_FIRST_STEPS, "4.5", "Persistance des modifications sous forme d'une image", 130),
    "4.6.4": Section(_FIRST_STEPS, "4.6.4", "Suppression automatique à la sortie", 135),
    "4.7.2": Section(_FIRST_STEPS, "4.7.2", "Lancement en arrière-plan", 143),
    "4.7.3": Section(_FIRST_STEPS, "4.7.3", "Gestion correcte du cycle de vie des conteneurs", 148),
    "4.7.4": Section(_FIRST_STEPS, "4.7.4", "Exposition de fichiers", 151),
    "4.7.5": Section(_FIRST_STEPS, "4.7.5", "Supervision des conteneurs", 153),
    "chapter 7, 2.1": Section("Encore plus loin avec Docker", "2.1", "Sécurité", 453),
}


def reference(key: str) -> str:
    """The section as a reader finds it: chapter, number, title, page; '' for no section."""
    section = SECTIONS.get(key)
    if section is None:
        return ""
    return f"{section.chapter}, {section.number} {section.title} (p. {section.page})"
