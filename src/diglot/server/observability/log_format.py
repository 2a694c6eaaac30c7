"""The form of log lines: one for all libraries, as text for people or as JSON for programs.

Every line has a time (UTC, milliseconds) and a level. Fields that a program may search for are in an
attribute of the record. A line of text never contains a line break of a message, because a client
could otherwise write lines of its own; the lines of a traceback begin with a tab.
"""

import json
import logging
import sys
import threading
import time
from typing import Any, Final

from diglot.request_record import LOG_FIELDS, current_request
from diglot.server.guards.redaction import RedactingFormatter
from diglot.settings import Settings

TEXT: Final = "text"
JSON: Final = "json"
_ROOT: Final = "diglot"
_PLAIN: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:/,+%@~*!()[]")


def configure_logging(settings: Settings) -> None:
    """Send the lines of all libraries to standard error in one form; a second call changes the form."""
    root = logging.getLogger()
    for handler in [one for one in root.handlers if isinstance(one, _Handler)]:
        root.removeHandler(handler)
    handler = _Handler(sys.stderr)
    handler.setFormatter(
        RedactingFormatter(JsonFormatter() if settings.log_format == JSON else TextFormatter())
    )
    root.addHandler(handler)
    level: int = getattr(logging, settings.log_level.upper())
    # Libraries write keys of API clients on their lower levels.
    root.setLevel(max(level, logging.WARNING))
    logging.getLogger(_ROOT).setLevel(level)
    logging.captureWarnings(capture=True)
    threading.excepthook = _log_thread_error


class _Handler(logging.StreamHandler[Any]):
    """The handler of `configure_logging`; it writes to what is standard error at the time."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line."""
        self.stream = sys.stderr
        super().emit(record)


def _log_thread_error(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and not isinstance(args.exc_value, SystemExit):
        name = "a thread" if args.thread is None else args.thread.name
        logging.getLogger(_ROOT).error("%s ended with an error", name, exc_info=args.exc_value)


class TextFormatter(logging.Formatter):
    """`TIME LEVEL LOGGER message field=value ...`, then the lines of a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        fields = "".join(f" {name}={_quote(value)}" for name, value in _fields_of(record).items())
        line = (
            f"{_format_time(record)} {record.levelname} {record.name} {_escape(record.getMessage())}{fields}"
        )
        error = _describe_error(self, record)
        return line if error is None else "\n\t".join([line, *error.splitlines()])


class JsonFormatter(logging.Formatter):
    """One JSON object a line; a traceback is a text in it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = {
            "time": _format_time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields_of(record),
        }
        error = _describe_error(self, record)
        return json.dumps(line if error is None else line | {"error": error}, default=str)


def _format_time(record: logging.LogRecord) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{whole}.{int(record.created * 1_000) % 1_000:03}Z"


def _fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """Return the fields of a line; one that was written for a request has the request's id."""
    fields: dict[str, Any] = getattr(record, LOG_FIELDS, {})
    request = current_request.get()
    return fields if request is None or "request" in fields else {**fields, "request": request.id}


def _describe_error(formatter: logging.Formatter, record: logging.LogRecord) -> str | None:
    parts = [
        formatter.formatException(record.exc_info) if record.exc_info and record.exc_info[0] else "",
        formatter.formatStack(record.stack_info) if record.stack_info else "",
    ]
    return "\n".join(part for part in parts if part) or None


def _quote(value: object) -> str:
    """Return a value as it is, or in JSON if it is empty or has characters that separate fields."""
    text = str(value)
    return text if text and _PLAIN.issuperset(text) else json.dumps(text)


def _escape(message: str) -> str:
    """Escape control characters, so that a message is one line."""
    return message if message.isprintable() else "".join(map(_escape_character, message))


def _escape_character(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode()
