"""What Go's templates see in docker's data: a struct, whose fields are known, or a map, which may lack a key; and how
both are printed (pkg.go.dev/text/template, pkg.go.dev/fmt).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

# Fields of docker's types that are maps: `{{.Config.Labels.nope}}` is no mistake.
_MAPS = {"Labels", "Options", "Networks", "Ports", "PortBindings", "ExposedPorts", "Volumes", "Sysctls", "Tmpfs",
         "StorageOpt", "Annotations", "Containers", "DriverOpts", "Attributes", "AuxiliaryAddresses", "Data", "Config",
         "Status"}  # fmt: skip
_POINTERS = {"PidsLimit", "MemorySwappiness", "OomKillDisable", "Init", "Health", "Healthcheck", "IPAMConfig",
             "StopTimeout", "SizeRw", "SizeRootFs"}  # fmt: skip


# Fields that docker leaves out of its JSON where they are empty (omitempty), and a template finds all the same: a field
# by which their struct is known, and the empty value.
EMPTY: dict[str, tuple[str, Any]] = {
    "Name": ("Propagation", ""), "Driver": ("Propagation", ""),  # a mount point
    "Mounts": ("NetworkMode", None), "Tmpfs": ("NetworkMode", None), "Sysctls": ("NetworkMode", None),
    "Init": ("NetworkMode", None), "Annotations": ("NetworkMode", None),  # HostConfig
    "Health": ("OOMKilled", None),  # State
    "ExposedPorts": ("Cmd", None), "Healthcheck": ("Cmd", None), "StopTimeout": ("Cmd", None),  # Config
    "StopSignal": ("Cmd", ""), "Shell": ("Cmd", None), "Variant": ("RootFS", ""),
    "SizeRw": ("HostConfig", None), "SizeRootFs": ("HostConfig", None),
}  # fmt: skip


class Map(dict[str, Any]):
    """A Go map: a key that it does not have gives no value. Any other mapping is a struct: that is a mistake.

    `missing` is what `index` gives for such a key: the empty value of its elements' type, None where docker has none.
    """

    missing: Any = None


class Fields(dict[str, Any]):
    """A struct with methods: a field may be a function, which is called with what follows it in the template.

    `go_type` is what docker calls it in an error; `as_json` what `{{json .}}` shows instead of the fields.
    """

    go_type = "*formatter.Context"

    def as_json(self) -> Any:
        """The fields without the methods."""
        return {name: value for name, value in self.items() if not callable(value)}


class Header(str):
    """A column's title: `{{json .ID}}` and `{{upper .ID}}` in a table have the title as it is."""


def label_title(name: str) -> Header:
    """The title of a column of labels, such as "kind" for org.example.kind (docker/cli: SubHeaderContext.Label)."""
    return Header(name.rpartition(".")[2].replace("-", " ").replace("_", " "))


class Nil:
    """Go's nil, which is printed according to its type. It has no elements and is false."""

    def __init__(self, text: str, missing: Any = None) -> None:
        self.text, self.missing = text, missing

    def __len__(self) -> int:
        return 0

    def __iter__(self) -> Iterator[Any]:
        return iter(())


_NIL_LIST, _NIL_POINTER = Nil("[]"), Nil("<nil>")
# What `index` gives for a key that a map does not have; "" for those that are not here.
_MISSING: dict[str, Any] = {"Networks": _NIL_POINTER, "Volumes": {}, "Ports": None, "PortBindings": None,
                            "ExposedPorts": None, "Containers": None}  # fmt: skip


def typed(value: Any, name: str = "") -> Any:
    """What `inspect` prints as JSON, with the types that its fields have in docker: maps and kinds of nil."""
    if isinstance(value, Mapping):
        is_map = name in _MAPS and not (name == "Config" and "Cmd" in value)
        fields = {key: typed(one, key) for key, one in value.items()}
        if not is_map:
            return fields
        found = Map(fields)
        found.missing = _MISSING.get(name, "")
        return found
    if isinstance(value, list):
        return [typed(one) for one in value]
    if value is None:
        if name in _MAPS:
            return Nil("map[]", _MISSING.get(name, ""))
        return _NIL_POINTER if name in _POINTERS else _NIL_LIST
    return value


def as_json(value: Any) -> str:
    """Compact JSON, as Go writes it for `{{json}}`."""
    if isinstance(value, Header):
        return value
    return json.dumps(_plain(value), separators=(",", ":"), ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Fields):
        return _plain(value.as_json())
    if isinstance(value, Mapping):
        rows = sorted(value.items()) if isinstance(value, Map) else value.items()  # as Go writes a map
        return {key: _plain(one) for key, one in rows}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return None if isinstance(value, Nil) else value


def shown(value: Any) -> str:
    """A value as Go prints it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "<no value>"
    if isinstance(value, Nil):
        return value.text
    if isinstance(value, Fields):
        return shown(Map(Fields.as_json(value)))
    if isinstance(value, Map):
        return f"map[{' '.join(f'{key}:{shown(value[key])}' for key in sorted(value))}]"
    if isinstance(value, Mapping):
        return "{" + " ".join(map(shown, value.values())) + "}"
    if isinstance(value, (list, tuple)):
        return f"[{' '.join(map(shown, value))}]"
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)


def go_type(value: Any) -> str:
    """The name of a value's type, for errors."""
    if isinstance(value, Fields):
        return value.go_type
    names: list[tuple[Any, str]] = [(bool, "bool"), (int, "int"), (float, "float64"), (str, "string"),
                                    (Mapping, "map[string]interface {}"), (list, "[]interface {}")]  # fmt: skip
    return next((name for kind, name in names if isinstance(value, kind)), "interface {}")


_VERB = re.compile(r"%([-+ #0]*)(\d*)(?:\.(\d*))?([a-zA-Z%]|$)")


def sprintf(form: str, arguments: Sequence[Any]) -> str:
    """Go's Sprintf for the verbs %v %s %d %q %t %x %X %f %g %e %c %T %%."""
    rest = list(arguments)

    def one(match: re.Match[str]) -> str:
        flags, width, precision, verb = match.groups()
        if verb == "%":
            return "%"
        if not verb:
            return "%!(NOVERB)"
        if not rest:
            return f"%!{verb}(MISSING)"
        text = _verb(verb, precision, flags, rest.pop(0))
        if not width:
            return text
        if "-" in flags:
            return text.ljust(int(width))
        return text.zfill(int(width)) if "0" in flags and verb in "dfxX" else text.rjust(int(width))

    done = _VERB.sub(one, form)
    if rest:
        done += f"%!(EXTRA {', '.join(f'{go_type(value)}={shown(value)}' for value in rest)})"
    return done


def _is_text(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, (list, tuple)) and all(map(_is_text, value)))


def _quoted(value: Any) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return f"[{' '.join(map(_quoted, value))}]"


def _verb(verb: str, precision: str | None, flags: str, value: Any) -> str:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    forms: dict[str, tuple[bool, Callable[[], str]]] = {
        "v": (True, lambda: shown(value)),
        "T": (True, lambda: go_type(value)),
        "s": (not is_number and not isinstance(value, bool), lambda: shown(value)[: int(precision or 1 << 30)]),
        "q": (_is_text(value), lambda: _quoted(value)),
        "t": (isinstance(value, bool), lambda: shown(value)),
        "d": (is_number and isinstance(value, int), lambda: f"{value:{'+' if '+' in flags else ''}d}"),
        "x": (isinstance(value, (int, str)), lambda: f"{value:x}" if is_number else value.encode().hex()),
        "X": (isinstance(value, (int, str)), lambda: f"{value:X}" if is_number else value.encode().hex().upper()),
        "c": (is_number and isinstance(value, int), lambda: chr(value)),
        "f": (isinstance(value, float), lambda: f"{value:.{precision or 6}f}"),
        "e": (isinstance(value, float), lambda: f"{value:.{precision or 6}e}"),
        "g": (isinstance(value, float), lambda: f"{value:g}"),
    }
    fits, form = forms.get(verb, (False, str))
    return form() if fits else f"%!{verb}({go_type(value)}={shown(value)})"
