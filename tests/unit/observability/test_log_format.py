"""Every line of the log has one form, whoever writes it."""

import json
import logging
import re
import threading
from collections.abc import Iterator

import pytest

from diglot.request_record import LOG_FIELDS, RequestRecord, current_request
from diglot.server.observability.log_format import JsonFormatter, TextFormatter, configure_logging
from diglot.settings import Settings
from support.logs import restoring_logs

TIME = r"2001-09-09T01:46:40\.123Z"
HOSTILE = "a\nb\r\x1b[31m \u2028"


def line_of(formatter: logging.Formatter, message: str, fields: object = None, **more: object) -> str:
    """Return the line of a record."""
    record = logging.LogRecord("some.library", logging.WARNING, "x.py", 1, message, None, None)
    record.created = 1_000_000_000.1239
    if fields is not None:
        setattr(record, LOG_FIELDS, fields)
    for name, value in more.items():
        setattr(record, name, value)
    return formatter.format(record)


def test_text_has_time_level_logger_and_fields() -> None:
    """Values with characters that separate fields are quoted."""
    line = line_of(TextFormatter(), "slow", {"ms": 12, "sql": 'SELECT "a"', "empty": ""})
    assert re.fullmatch(TIME + r' WARNING some\.library slow ms=12 sql="SELECT \\"a\\"" empty=""', line), line


def test_a_message_stays_one_line() -> None:
    """A client that puts line breaks into a value writes no line of its own."""
    line = line_of(TextFormatter(), HOSTILE, {"path": HOSTILE})
    assert len(line.splitlines()) == 1
    assert line.isprintable()
    written = json.loads(line_of(JsonFormatter(), HOSTILE, {"path": HOSTILE}))
    assert (written["message"], written["path"]) == (HOSTILE, HOSTILE)
    assert len(line_of(JsonFormatter(), HOSTILE).splitlines()) == 1


def test_a_traceback_follows_its_line() -> None:
    """In text each of its lines begins with a tab, in JSON it is a value."""
    error = (ValueError, ValueError("one\ntwo"), None)
    first, *rest = line_of(TextFormatter(), "failed", exc_info=error).split("\n")
    assert first.endswith(" failed")
    assert rest
    assert all(line.startswith("\t") for line in rest)
    written = json.loads(line_of(JsonFormatter(), "failed", exc_info=error))
    assert written["error"].endswith("ValueError: one\ntwo")


def test_lines_of_a_request_have_its_id() -> None:
    """A line that is written for a request says for which."""
    token = current_request.set(RequestRecord("r1"))
    try:
        assert line_of(TextFormatter(), "x").endswith(" x request=r1")
        assert json.loads(line_of(JsonFormatter(), "x", {"request": "own"}))["request"] == "own"
    finally:
        current_request.reset(token)


@pytest.fixture
def restored() -> Iterator[None]:
    """Restore what `configure_logging` changes."""
    with restoring_logs():
        yield


@pytest.mark.usefixtures("restored")
def test_the_level_is_ours_and_libraries_only_warn(capsys: pytest.CaptureFixture[str]) -> None:
    """Libraries log keys on their lower levels, so `debug` does not reach them."""
    for level, shown in (("debug", 4), ("warning", 2), ("error", 0)):
        configure_logging(Settings(log_level=level))
        logging.getLogger("diglot.x").debug("ours")
        logging.getLogger("diglot.x").info("ours")
        logging.getLogger("diglot.x").warning("ours")
        logging.getLogger("httpcore").debug("Bearer secret")
        logging.getLogger("httpcore").info("Bearer secret")
        logging.getLogger("_granian").warning("theirs")
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == shown
        assert not any("secret" in line for line in lines)


@pytest.mark.usefixtures("restored")
def test_an_error_of_a_thread_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Python would print it without a time and a level."""
    configure_logging(Settings(log_format="json"))
    configure_logging(Settings(log_format="json"))

    def fail() -> None:
        raise ValueError("broken")

    thread = threading.Thread(target=fail, name="worker 7")
    thread.start()
    thread.join()
    [line] = capsys.readouterr().err.splitlines()
    written = json.loads(line)
    assert (written["level"], written["message"]) == ("error", "worker 7 ended with an error")
    assert written["error"].endswith("ValueError: broken")
