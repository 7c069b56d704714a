"""What a RUN's command needs of the files that were copied before it, judged by its words.

Nobody can know that without running it; so whatever is not in these tables is taken to need everything.
"""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections.abc import Iterable

# Programs that work on what the image has, or fetch what they need.
_NOTHING = frozenset({
    ":", "addgroup", "adduser", "apk", "apt", "apt-get", "chsh", "corepack", "curl", "dnf", "echo", "export", "false",
    "gem", "groupadd", "groupmod", "ldconfig", "locale-gen", "microdnf", "mkdir", "pacman", "passwd", "printf", "set",
    "sleep", "true", "update-ca-certificates", "useradd", "usermod", "wget", "yum", "zypper",
})  # fmt: skip
# Those that read a few files by name before anything else: command, its subcommands, the files.
_MANIFESTS = (
    ("npm", ("ci", "install", "i"), ("package.json", "package-lock.json", "npm-shrinkwrap.json", ".npmrc")),
    ("yarn", ("install", ""), ("package.json", "yarn.lock", ".yarnrc*")),
    ("pnpm", ("install", "i", "fetch"), ("package.json", "pnpm-lock.yaml", "pnpm-workspace.yaml", ".npmrc")),
    ("bundle", ("install", "config"), ("Gemfile", "Gemfile.lock", "*.gemspec")),
    ("composer", ("install",), ("composer.json", "composer.lock")),
    ("go", ("mod",), ("go.mod", "go.sum")),
    ("cargo", ("fetch",), ("Cargo.toml", "Cargo.lock")),
    ("poetry", ("install", "lock"), ("pyproject.toml", "poetry.lock")),
    ("pipenv", ("install", "sync"), ("Pipfile", "Pipfile.lock")),
    ("mvn", ("dependency:go-offline", "dependency:resolve"), ("pom.xml",)),
    ("dotnet", ("restore",), ("*.csproj", "*.sln", "nuget.config")),
)
_PIP = re.compile(r"(?:pip3?|python3? -m pip)$")
_SEPARATORS = re.compile(r"&&|\|\||[;|\n]")
_ASSIGNMENT = re.compile(r"\w+=\S*$")


def of_command(text: str, files: Iterable[str]) -> set[str] | None:
    """Those of `files` that the command of a RUN needs; None if it may need any of them."""
    files = list(files)
    needed = {name for name in files if _is_named(name, text)}
    for command in _commands(text):
        found = _of_one(command, files)
        if found is None:
            return None
        needed |= found
    return needed


def _is_named(path: str, text: str) -> bool:
    name = posixpath.basename(path)
    return len(name) > 2 and re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", text) is not None


def _commands(text: str) -> list[list[str]]:
    found = []
    for part in _SEPARATORS.split(text.replace("\\\n", " ")):
        words = part.split()
        while words and (_ASSIGNMENT.match(words[0]) or words[0] in ("exec", "sudo", "time", "then", "do", "if")):
            words = words[1:]
        if words:
            found.append(words)
    return found


def _of_one(words: list[str], files: list[str]) -> set[str] | None:
    program = posixpath.basename(words[0])
    if program in _NOTHING:
        return set()
    arguments = [word for word in words[1:] if not word.startswith("-")]
    is_pip = _PIP.match(program) or (len(words) > 2 and _PIP.match(" ".join([program, *words[1:3]])))
    if is_pip and "install" in words:
        return _of_pip(words[words.index("install") + 1 :], files)
    if program == "npm" and ("-g" in words or "--global" in words):
        return set()
    for name, subcommands, patterns in _MANIFESTS:
        if program == name and (arguments[0] if arguments else "") in subcommands:
            return {path for path in files if _fits(path, patterns)}
    return set() if program == "rm" and not any("*" in word for word in arguments) else None


def _of_pip(words: list[str], files: list[str]) -> set[str] | None:
    """What `pip install` reads: the files after -r and -c, or a whole project."""
    needed: set[str] = set()
    for before, word in zip(["", *words], words, strict=False):
        if before in ("-r", "--requirement", "-c", "--constraint"):
            needed |= {path for path in files if posixpath.basename(path) == posixpath.basename(word)}
        elif before in ("-e", "--editable") or word == "." or word.startswith(("./", "/", "file:", ".[")):
            return None
    return needed


def _fits(path: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatch(posixpath.basename(path), pattern) for pattern in patterns)
