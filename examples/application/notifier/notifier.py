"""notifier: sends a message by mail (SMTP, RFC 5321)."""

from __future__ import annotations

import os
import smtplib
from email.message import EmailMessage
from typing import Any

import bottle
from rest import asked, service

_SECONDS = 10

app = service()


@app.post("/notifications")
def notify() -> dict[str, Any]:
    """POST {"to": "...", "subject": "...", "text": "..."}: sent by the server in MAIL_SERVER, from MAIL_FROM."""
    wanted = asked()
    try:
        message = letter(str(wanted["to"]), str(wanted["subject"]), str(wanted["text"]))
    except KeyError as error:
        raise bottle.HTTPError(400, f"a notification has to, subject and text: {error} is missing") from None
    except ValueError as error:
        raise bottle.HTTPError(400, str(error)) from None
    host, _, port = os.environ.get("MAIL_SERVER", "mail").partition(":")
    try:
        with smtplib.SMTP(host, int(port or smtplib.SMTP_PORT), timeout=_SECONDS) as server:
            server.send_message(message)
    except (OSError, smtplib.SMTPException) as error:
        raise bottle.HTTPError(502, f"the mail server {host}: {error}") from None
    return {"sent": True}


def letter(to: str, subject: str, text: str) -> EmailMessage:
    """Raises `ValueError` for what is no address, or would add lines to the head."""
    if to.count("@") != 1 or any(letter.isspace() or letter in ",;<>" for letter in to):
        raise ValueError(f"{to!r} is no mail address")
    message = EmailMessage()
    message["From"] = os.environ.get("MAIL_FROM", "optimum@example.org")
    message["To"] = to
    message["Subject"] = subject
    message.set_content(text)
    return message
