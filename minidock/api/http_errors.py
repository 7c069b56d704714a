"""Errors as an HTTP status and docker's JSON: {"message": "..."}."""

from __future__ import annotations

import sys
import traceback

import h11

from minidock.errors import (
    EXIT_CANNOT_EXECUTE,
    EXIT_NOT_FOUND,
    ConflictError,
    MinidockError,
    NotFoundError,
    UsageError,
    is_expected,
    message_of,
)


class Status(MinidockError):
    """An answer with a status of its own; 304 has no body, so that its message is for nobody."""

    def __init__(self, status: int, message: str = "") -> None:
        super().__init__(message)
        self.status = status


class ClientGone(BaseException):
    """The client has closed the connection. It is no `Exception`, so that handlers of errors do not catch it."""


def status_of(error: BaseException) -> int:
    """The status that docker has for such a failure (moby: api/server/httpstatus)."""
    if isinstance(error, Status):
        return error.status
    if isinstance(error, h11.RemoteProtocolError):
        return error.error_status_hint
    if isinstance(error, NotFoundError):
        return 404
    if isinstance(error, ConflictError):
        return 409
    if isinstance(error, UsageError):
        return 400
    # A program that is not there or cannot be run is the caller's mistake (moby: daemon/errors.go).
    if isinstance(error, MinidockError) and error.exit_code in (EXIT_CANNOT_EXECUTE, EXIT_NOT_FOUND):
        return 400
    return 500


def message(error: BaseException) -> str:
    """The message for the client. A defect of minidock is also written to the service's standard error, with its
    traceback.
    """
    if isinstance(error, h11.RemoteProtocolError):
        return str(error)
    if not is_expected(error):
        traceback.print_exception(error, file=sys.stderr)
    return message_of(error)
