"""tag, history, prune, inspect, and how images are listed."""

import json
from pathlib import Path

import pytest

from minidock.image.digest import of_bytes
from minidock.image.reference import parse
from minidock.image.store import Store
from tests.image.conftest import Command
from tests.image.test_archives import two_layers
from tests.image.test_store import add, use


def test_tag(root: Path, store: Store, command: Command) -> None:
    image = add(root, "1", "a:1")
    assert command("tag", "a:1", "localhost:5000/b") == (0, b"", "")
    assert command("tag", image.id[7:19], "c:2") == (0, b"", "")
    assert [str(name) for name in store.references(image.id)] == ["a:1", "c:2", "localhost:5000/b:latest"]
    assert command("tag", "nope", "x").err == "minidock: No such image: nope:latest\n"
    assert "must be lowercase" in command("tag", "a:1", "X").err
    assert "refusing to create a tag with a digest" in command("tag", "a:1", f"x@{of_bytes(b'')}").err


def test_a_name_that_would_be_taken_for_an_id(root: Path, store: Store, command: Command) -> None:
    image = add(root, "1", "a:1")
    done = command("tag", "a:1", "sha256:x")
    assert (done.code, store.references(image.id)) == (1, [parse("a:1")])
    assert "refusing to create an ambiguous tag using digest algorithm as name" in done.err


def test_history(store: Store, command: Command) -> None:
    image = two_layers(store, "a:1")
    lines = command("history", "a:1").out.decode().splitlines()
    assert [line.split()[0] for line in lines] == ["IMAGE", image.id[7:19], "<missing>", "<missing>"]
    assert "RUN rm" in lines[1]
    assert lines[1].endswith("cleaned")
    assert "CMD " + "x" * 40 + "…" in lines[2]
    sizes = command("history", "--plain", "--no-trunc", "--format", "{{.Size}}|{{.CreatedBy}}", "a:1").out.decode()
    assert sizes.splitlines() == ["3|RUN rm", "0|CMD " + "x" * 60, "4|ADD rootfs.tar"]
    assert command("history", "-q", "a:1").out.decode().split() == [image.id[7:19], "<missing>", "<missing>"]


def test_inspect(store: Store, command: Command) -> None:
    image = two_layers(store, "a:1")
    result = command("inspect", "a:1", "nope")
    assert result.code == 1
    assert result.err == "minidock: No such image: nope:latest\n"
    assert json.loads(result.out)[0]["Id"] == image.id
    assert command("inspect", "-f", '{{.Os}} {{index .Config.Labels "made"}}', "a:1").out == b"linux here\n"
    assert 'no entry for key "Nope"' in command("inspect", "-f", "{{.Nope}}", "a:1").err


def test_list_formats(root: Path, store: Store, command: Command) -> None:
    image = add(root, "1", "a:1")
    store.tag(image, parse(f"a@{of_bytes(b'm')}"))
    short = image.id[7:19]
    assert command("ls", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}").out.decode() == f"a:1 {short}\n"
    assert command("ls", "--format", "table {{.ID}}\\t{{.Tag}}").out.decode() == f"IMAGE ID       TAG\n{short}   1\n"
    (row,) = map(json.loads, command("ls", "--format", "json", "--no-trunc").out.splitlines())
    assert (row["ID"], row["Repository"], row["Size"]) == (image.id, "a", "1B")
    assert of_bytes(b"m") in command("ls", "--digests").out.decode()
    header = command("ls", "--format", "table").out.decode().splitlines()[0]
    assert header.split() == ["REPOSITORY", "TAG", "IMAGE", "ID", "CREATED", "SIZE"]


def test_list_filters(root: Path, store: Store, command: Command) -> None:
    labelled = two_layers(store, "old/app:1")
    add(root, "2", "new/app:1", "new/app:2", "app:1")
    nameless = add(root, "3")

    def shown(*filters: str) -> list[str]:
        words = [word for text in filters for word in ("-f", text)]
        return command("ls", *words, "--format", "{{.Repository}}:{{.Tag}}").out.decode().split()

    assert shown("dangling=true") == ["<none>:<none>"]
    assert shown("dangling=false", "reference=new/*:2") == ["new/app:2"]
    assert shown("reference=app", "reference=old/app") == ["app:1", "old/app:1"]
    assert shown("reference=*") == ["app:1"]
    assert shown("reference=*/*:[12]") == ["new/app:1", "new/app:2", "old/app:1"]
    assert shown("label=made") == shown("label=made=here") == shown("until=2024-06-01") == ["old/app:1"]
    assert shown("label=made=there") == shown("until=2023-01-01") == shown("until=10h", "dangling=1") == []
    assert shown(f"since={labelled.id}", "dangling=0") == ["app:1", "new/app:1", "new/app:2"]
    assert shown("before=app:1") == ["old/app:1"]
    assert command("ls", "-q", "-f", "dangling=true").out.decode() == f"{nameless.id[7:19]}\n"
    for bad in ("dangling", "nope=1", "dangling=maybe", "until=soon", "before=nope"):
        result = command("ls", "-f", bad)
        assert (result.code, result.out, result.err.count("\n")) == (1, b"", 1)


def test_prune(root: Path, store: Store, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    nameless, named = add(root, "12345"), add(root, "2", "named:1")
    used_nameless, used = add(root, "3"), add(root, "4", "used:1")
    use(root, used_nameless, "a" * 64)
    use(root, used, "b" * 64)
    assert command("prune", "-f", "--filter", "until=1h").out == b"Total reclaimed space: 0B\n"
    lines = command("prune", "-f").out.decode().splitlines()
    assert lines[:3] == ["Deleted Images:", f"deleted: {nameless.id}", f"deleted: {nameless.layers[0]}"]
    assert {image.id for image, _ in store.list()} == {named.id, used_nameless.id, used.id}
    lines = command("prune", "-f", "-a").out.decode().splitlines()
    assert lines[:3] == ["Deleted Images:", "untagged: named:1", f"deleted: {named.id}"]
    assert {image.id for image, _ in store.list()} == {used_nameless.id, used.id}
    assert store.resolve("used:1").missing_layers == []


def test_prune_asks_first(root: Path, store: Store, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    add(root, "1")
    for answer in ("n\n", "\n"):
        monkeypatch.setattr("sys.stdin", io.StringIO(answer))
        assert b"WARNING! This will remove all dangling images." in command("prune").out
        assert len(store.list()) == 1
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert b"Deleted Images:" in command("prune").out
    assert store.list() == []
