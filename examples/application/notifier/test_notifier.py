"""Letters, and what is answered when there is no mail server. Beside a real one it is tested as a whole."""

import os
import unittest

from notifier import app, letter
from rest import ServiceError, ask, served


class Letters(unittest.TestCase):
    def test_a_letter(self) -> None:
        made = letter("ada@example.org", "Salut, ça va", "Voilà.\n")
        self.assertEqual((made["To"], made["Subject"]), ("ada@example.org", "Salut, ça va"))
        self.assertEqual(made.get_content(), "Voilà.\n")

    def test_what_would_add_lines_or_readers(self) -> None:
        for to, subject in (("nobody", "a"), ("a@b\nBcc: c@d", "a"), ("a@b,c@d", "a"), ("a@b", "a\nBcc: c@d")):
            with self.assertRaises(ValueError, msg=to):
                letter(to, subject, "")


class WithoutServer(unittest.TestCase):
    def test_the_answer_says_what_is_missing(self) -> None:
        os.environ["MAIL_SERVER"] = "127.0.0.1:1"
        with served(app) as address:
            with self.assertRaisesRegex(ServiceError, "the mail server 127.0.0.1: .*refused"):
                ask(f"{address}/notifications", {"to": "a@b", "subject": "s", "text": "t"})
            with self.assertRaisesRegex(ServiceError, "'text' is missing"):
                ask(f"{address}/notifications", {"to": "a@b", "subject": "s"})
