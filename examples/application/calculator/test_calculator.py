"""Run by `python3 -m unittest` in the image, or by its stage `test`."""

import unittest

from calculator import app, greatest
from expression import ExpressionError, compiled
from rest import ServiceError, ask, served


class Expressions(unittest.TestCase):
    def test_values(self) -> None:
        self.assertAlmostEqual(compiled("sin(pi / 2) * x - -y ** 2")(3, 2), 7)

    def test_points_without_value(self) -> None:
        for text in ("1 / x", "log(x)", "sqrt(x - 1)", "exp(1000)", "9 ** 9 ** 9", "(-8) ** 0.5", "sin()", "sin"):
            self.assertIsNone(compiled(text)(0, 0), text)

    def test_nothing_else_of_python(self) -> None:
        for text in ("", "x +", "z", "__import__('os')", "x.real", "'a'", "[x]", "x if y else 1", "lambda: x", "True",
                     "sin(x=1)", "x" * 300, "(" * 150):  # fmt: skip
            with self.assertRaises(ExpressionError, msg=text):
                compiled(text)


class Tiles(unittest.TestCase):
    def test_the_greatest_is_found(self) -> None:
        value, x, y = greatest("1 - x ** 2 - (y - 1) ** 2", (-2, 2), (-2, 2), 40)
        self.assertAlmostEqual(value, 1)
        self.assertAlmostEqual(x, 0)
        self.assertAlmostEqual(y, 1)

    def test_a_request(self) -> None:
        with served(app) as address:
            found = ask(f"{address}/tiles", {"expression": "x + y", "x": [0, 1], "y": [0, 1], "steps": 2})
            self.assertEqual((found["value"], found["x"], found["y"], found["points"]), (2, 1, 1, 9))
            self.assertIsNone(ask(f"{address}/tiles", {"expression": "log(-1)", "x": [0, 1], "y": [0, 1],
                                                       "steps": 1})["value"])  # fmt: skip

    def test_requests_that_cannot_be_meant(self) -> None:
        tile = {"expression": "x", "x": [0, 1], "y": [0, 1], "steps": 2}
        with served(app) as address:
            for wrong in ([], {}, {**tile, "expression": "z"}, {**tile, "x": [1]}, {**tile, "steps": 0},
                          {**tile, "steps": 10**9}, {**tile, "y": "ab"}):  # fmt: skip
                with self.assertRaises(ServiceError, msg=wrong) as caught:
                    ask(f"{address}/tiles", wrong)
                self.assertNotIn("HTTP Error", str(caught.exception))
