"""Pictures, and what is answered when there is no database. Beside a real one it is tested as a whole."""

import os
import unittest
from xml.etree import ElementTree

import drawing
from reporting import app
from rest import ServiceError, ask, served

REPORT = {
    "expression": "x < '&'",
    "x": [0, 2],
    "y": [0, 1],
    "best": {"value": 2, "x": 1.5, "y": 1},
    "map": [{"x": [0, 1], "y": [0, 1], "value": None}, {"x": [1, 2], "y": [0, 1], "value": 2}],
    "calculators": {},
    "points": 4,
    "seconds": 0.1,
}


class Pictures(unittest.TestCase):
    def test_a_tile_is_a_rectangle(self) -> None:
        root = ElementTree.fromstring(drawing.svg(REPORT))
        self.assertEqual([part.tag for part in root], ["rect", "rect", "circle"])
        self.assertEqual(root[0].get("fill"), "none")
        self.assertEqual((root[2].get("cx"), root[2].get("cy")), ("225.0", "0.0"))
        self.assertIn("x < '&'", root.get("aria-label"))


class WithoutDatabase(unittest.TestCase):
    def test_the_answer_says_what_is_missing(self) -> None:
        os.environ["DATABASE"] = "127.0.0.1:1"
        with served(app) as address:
            for path, data in (("reports", None), ("reports/1", None), ("reports", REPORT)):
                with self.assertRaisesRegex(ServiceError, "the database: .*refused"):
                    ask(f"{address}/{path}", data)
            with self.assertRaisesRegex(ServiceError, "a report has expression"):
                ask(f"{address}/reports", {"expression": 5})
            self.assertTrue(ask(f"{address}/health")["healthy"])
