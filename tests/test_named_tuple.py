"""`minidock.named_tuple.NamedTuple` beside the one that it stands for."""

from __future__ import annotations

import pickle
import typing

import pytest

from minidock import named_tuple


class Ours(named_tuple.NamedTuple):
    """What it is for."""

    name: str
    sizes: tuple[int, ...] = ()
    more: dict[str, NotThere] | None = None  # type: ignore[name-defined]  # noqa: F821

    @property
    def total(self) -> int:
        return sum(self.sizes)

    @classmethod
    def empty(cls) -> Ours:
        return cls("")


class Typings(typing.NamedTuple):
    name: str
    sizes: tuple[int, ...]
    more: object


def test_it_is_a_named_tuple() -> None:
    one = Ours("a", (1, 2))
    assert one == ("a", (1, 2), None) == Ours(name="a", sizes=(1, 2))
    assert (one.total, Ours.empty().name, one._replace(name="b").name) == (3, "", "b")
    assert (Ours._fields, Ours._field_defaults) == (Typings._fields, {"sizes": (), "more": None})
    assert (Ours.__bases__, Ours.__module__, Ours.__doc__) == (Typings.__bases__, __name__, "What it is for.")
    assert repr(one) == "Ours(name='a', sizes=(1, 2), more=None)"
    assert pickle.loads(pickle.dumps(one)) == one
    assert Ours.__annotations__["more"] == "dict[str, NotThere] | None"


def test_a_field_that_is_missing_or_unknown_is_an_error() -> None:
    with pytest.raises(TypeError, match="name"):
        Ours()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="nobody"):
        Ours("a", nobody=1)  # type: ignore[call-arg]
