"""Modules and their imports: no module needs, by whatever way, one that needs it."""

import ast
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]
PACKAGE = CHECKOUT / "minidock"

# Circles of type annotations only (`if TYPE_CHECKING`). The first is to be dissolved; the package itself has the
# version, which many import, and the types of the library's names.
ANNOTATIONS_ONLY = {"minidock.build", "minidock"}


def modules() -> dict[str, Path]:
    """The package's modules by name."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(CHECKOUT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path: Path, known: dict[str, Path], *, with_annotations: bool) -> set[str]:
    """The modules that a module imports, at the top or inside a function."""
    found = set()
    for node in walk(ast.parse(path.read_text()), with_annotations=with_annotations):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in known else node.module)
    return found & known.keys()


def walk(tree: ast.AST, *, with_annotations: bool) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        is_for_annotations = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        if with_annotations or not is_for_annotations:
            yield node
            yield from walk(node, with_annotations=with_annotations)


def circle(graph: dict[str, set[str]]) -> list[str]:
    """A way from a module back to itself; empty if there is none."""
    done: set[str] = set()

    def search(name: str, way: list[str]) -> list[str]:
        if name in way:
            return [*way[way.index(name) :], name]
        if name in done:
            return []
        for imported in sorted(graph[name]):
            if found := search(imported, [*way, name]):
                return found
        done.add(name)
        return []

    return next((found for name in sorted(graph) if (found := search(name, []))), [])


def test_no_modules_import_each_other() -> None:
    known = modules()
    graph = {}
    for name, path in known.items():
        room = ".".join(name.split(".")[:2])
        with_annotations = room not in ANNOTATIONS_ONLY
        graph[name] = imports(path, known, with_annotations=with_annotations)
    assert len(graph) > 300
    assert " -> ".join(circle(graph)) == ""


def test_no_module_name_is_used_twice_but_for_commands_and_routes() -> None:
    places: dict[str, list[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        if not path.stem.startswith("__"):
            places.setdefault(path.stem, []).append(str(path.relative_to(PACKAGE).parent))
    twice = {name: found for name, found in places.items() if len(found) > 1}
    # `cli/container/stop.py` types it, `engine/container/stop.py` does it, `api/routes/` answers to it.
    assert {name: found for name, found in twice.items() if not is_a_command(found)} == {}


def is_a_command(places: list[str]) -> bool:
    return any(place == "cli" or place.startswith(("cli/", "api/routes")) for place in places)


def test_a_circle_is_found() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []
