"""The optimizer beside calculators that are functions of this test, and beside none."""

import os
import unittest
from contextlib import ExitStack

import bottle
from optimizer import app
from rest import ServiceError, ask, asked, served, service

SEARCH = {"expression": "any", "x": [-1, 1], "y": [-1, 1], "tiles": 6, "steps": 1}


def calculator(name: str, fails_after: int = 1000) -> bottle.Bottle:
    """One that knows a single hill, at (0.3, -0.2), and looks at the middle of each tile."""
    made, done = service(), []

    @made.post("/tiles")
    def tile() -> dict[str, object]:
        done.append(1)
        if len(done) > fails_after:
            raise bottle.HTTPError(500, "worn out")
        x, y = (sum(asked()[side]) / 2 for side in ("x", "y"))
        return {"value": -((x - 0.3) ** 2) - (y + 0.2) ** 2, "x": x, "y": y, "points": 1, "by": name}

    return made


class Searches(unittest.TestCase):
    def found(self, *apps: bottle.Bottle, **more: object) -> dict:
        with ExitStack() as stack:
            addresses = [stack.enter_context(served(one)).removeprefix("http://") for one in apps]
            os.environ.update(CALCULATORS=" ".join(addresses), REPORTING="127.0.0.1:1", NOTIFIER="127.0.0.1:1")
            return ask(f"{stack.enter_context(served(app))}/optimizations", {**SEARCH, **more})

    def test_the_hill_is_climbed(self) -> None:
        best = self.found(calculator("one"))["best"]
        self.assertAlmostEqual(best["x"], 0.3, 1)
        self.assertAlmostEqual(best["y"], -0.2, 1)

    def test_two_share_the_work(self) -> None:
        work = self.found(calculator("one"), calculator("two"))["calculators"]
        self.assertEqual(sum(work.values()), 4 * 36)
        self.assertEqual(set(work), {"one", "two"})

    def test_one_that_fails_is_asked_no_more(self) -> None:
        work = self.found(calculator("one", fails_after=5), calculator("two"))["calculators"]
        self.assertEqual(sum(work.values()), 4 * 36)

    def test_none_is_there(self) -> None:
        os.environ["CALCULATORS"] = "nowhere.invalid"
        with served(app) as address, self.assertRaisesRegex(ServiceError, "no calculator is there"):
            ask(f"{address}/optimizations", SEARCH)

    def test_all_fail(self) -> None:
        with self.assertRaisesRegex(ServiceError, "worn out"):
            self.found(calculator("one", fails_after=0))

    def test_searches_that_cannot_be_meant(self) -> None:
        for wrong in ({"x": [1, 1]}, {"y": ["a", 2]}, {"rounds": 0}, {"tiles": 1000}, {"x": [0, float("inf")]}):
            with self.assertRaises(ServiceError, msg=wrong):
                self.found(calculator("one"), **wrong)
