"""What ARG and ENV mean at a line: reference, "ARG", "Using ARG variables" and "Impact on build caching".

The arguments before the first FROM count in FROM lines; a stage gets them by naming them again. ENV always overrides
ARG. Some arguments are there without a declaration: those for proxies in every RUN, those about platforms in FROM.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from minidock.image import platform
from minidock.image.dockerfile.dockerfile_errors import DockerfileError
from minidock.image.dockerfile.expand import Expansion
from minidock.image.dockerfile.instructions import Instruction

PROXIES = frozenset(
    name
    for upper in ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
    for name in (upper, upper.lower())
)


def of_platforms(target: str) -> dict[str, str]:
    """The arguments about platforms: BUILDPLATFORM, TARGETARCH, ... `target` as `linux/amd64` or `linux/arm/v7`."""
    build = "/".join(filter(None, ("linux", platform.host_architecture(), platform.host_variant())))
    values: dict[str, str] = {}
    for prefix, name in (("BUILD", build), ("TARGET", target)):
        system, architecture, variant = [*name.split("/"), "", ""][:3]
        values |= {
            f"{prefix}PLATFORM": name,
            f"{prefix}OS": system,
            f"{prefix}ARCH": architecture,
            f"{prefix}VARIANT": variant,
        }
    return values


class Globals:
    """The arguments before the first FROM. `given`: --build-arg, which may override each."""

    def __init__(
        self, declared: Sequence[Instruction], given: Mapping[str, str], target: str, stage: str, escape: str
    ) -> None:
        self.given = dict(given)
        self.predefined = {**of_platforms(target), "TARGETSTAGE": stage or "default"}
        self.values: dict[str, str] = {}
        self.escape = escape
        for instruction in declared:
            for word, default in instruction.pairs:
                name = self.expansion().word(word)
                if name in self.given:
                    self.values[name] = self.given[name]
                elif default is not None:
                    self.values[name] = self.expansion().word(default)
                elif name not in self.predefined:
                    self.values.pop(name, None)

    def expansion(self) -> Expansion:
        """For FROM, and for the defaults of arguments."""
        return Expansion({**self.predefined, **self.values}, self.escape)

    def value(self, name: str) -> str | None:
        """What a stage gets that names the argument `name` again without a value."""
        return self.values.get(name, self.given.get(name, self.predefined.get(name)))


class Scope:
    """The variables of one stage, from line to line. `env`: what ENV and the base image have set."""

    def __init__(self, outer: Globals, env: Mapping[str, str]) -> None:
        self.outer = outer
        self.arguments: dict[str, str] = {}
        self.env = dict(env)
        self.declared: set[str] = set()

    def declare(self, instruction: Instruction) -> dict[str, str | None]:
        """An ARG: returns what each of its names means from here on, None for one without a value."""
        found: dict[str, str | None] = {}
        for word, default in instruction.pairs:
            name = self.expansion().word(word)
            value = self.outer.given.get(name)
            if value is None and default is not None:
                value = self.expansion().word(default)
            if value is None:
                value = self.outer.value(name)
            self.declared.add(name)
            if value is not None:
                self.arguments[name] = value
            else:
                self.arguments.pop(name, None)
            found[name] = value
        return found

    def expansion(self, *, keep_unset: bool = False) -> Expansion:
        """Replaces variables by what they mean at this line."""
        return Expansion({**self.arguments, **self.env}, self.outer.escape, keep_unset=keep_unset)

    def environment(self) -> dict[str, str]:
        """What a RUN has in its environment beside ENV: the arguments so far."""
        return {name: value for name, value in self.arguments.items() if name not in self.env}

    def proxies(self) -> dict[str, str]:
        """The proxies that were given, by both of their names, as programs look for the one or the other.

        Whoever declares none has them all the same; no cache key and no history tells of them.
        """
        given = {name: value for name, value in self.outer.given.items() if name in PROXIES}
        both = {spelled: value for name, value in given.items() for spelled in (name.lower(), name.upper())}
        return {name: value for name, value in {**both, **given}.items() if name not in {*self.env, *self.arguments}}


def unused(given: Mapping[str, str], declared: set[str]) -> list[str]:
    """Those of --build-arg that no ARG names: docker warns of them."""
    return sorted(set(given) - declared - PROXIES)


def key_values(words: Sequence[str], environment: Mapping[str, str]) -> dict[str, str]:
    """--build-arg `K=V`, or `K` with its value in the caller's environment, if there."""
    found = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not name:
            raise DockerfileError(f"invalid build argument {word!r}: a name is missing")
        if equals:
            found[name] = value
        elif name in environment:
            found[name] = environment[name]
    return found
