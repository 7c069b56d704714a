"""The page, with an optimizer and a reporting service that are functions of this test, and without."""

import os
import unittest
import urllib.error
import urllib.parse
import urllib.request

import bottle
from portal import app
from rest import asked, served, service

REPORT = {
    "id": 7,
    "at": "now",
    "expression": "<x>",
    "x": [0, 1],
    "y": [0, 1],
    "best": {"value": 1, "x": 2, "y": 3},
    "points": 1234,
    "seconds": 0.5,
    "calculators": {"one": 3},
}
FORM = {"expression": "x", "left": "0", "right": "1", "low": "0", "high": "1", "mail": ""}


def others() -> bottle.Bottle:
    """Both services, at one address."""
    made = service()

    @made.post("/optimizations")
    def optimize() -> dict:
        if asked()["expression"] == "z":
            raise bottle.HTTPError(400, "z is <nothing>")
        return REPORT

    made.route("/reports", "GET", lambda: {"reports": [REPORT]})
    made.route("/reports/7", "GET", lambda: {**REPORT, "picture": "<svg></svg>"})
    return made


class Pages(unittest.TestCase):
    def shown(self, path: str, form: dict[str, str] | None = None) -> tuple[int, str]:
        data = urllib.parse.urlencode(form).encode() if form else None
        with served(others()) as found, served(app) as address:
            os.environ.update(OPTIMIZER=found.removeprefix("http://"), REPORTING=found.removeprefix("http://"))
            try:
                with urllib.request.urlopen(address + path, data) as answer:
                    return answer.status, answer.read().decode()
            except urllib.error.HTTPError as error:
                return error.code, error.read().decode()

    def test_the_start_has_what_was_found(self) -> None:
        status, page = self.shown("/")
        self.assertEqual(status, 200)
        self.assertIn("Found so far", page)
        self.assertIn("&lt;x&gt;", page)
        self.assertNotIn("<x>", page)

    def test_the_form_leads_to_the_report(self) -> None:
        status, page = self.shown("/", FORM)
        self.assertEqual(status, 200)
        self.assertIn("<svg></svg>", page)
        self.assertIn("1,234", page)

    def test_errors_are_shown(self) -> None:
        status, page = self.shown("/", {**FORM, "expression": "z"})
        self.assertEqual(status, 502)
        self.assertIn("z is &lt;nothing&gt;", page)
        self.assertEqual(self.shown("/reports/8")[0], 404)

    def test_nobody_is_there(self) -> None:
        os.environ.update(OPTIMIZER="127.0.0.1:1", REPORTING="127.0.0.1:1")
        with served(app) as address, urllib.request.urlopen(address) as answer:
            self.assertIn("refused", answer.read().decode())
